#include "shim/domain/programs.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/domain/file.h"
#include "shim/os.h"
#include "shim/startup.h"

/* The layout: buckets of entries, an all-zero one free. A change of it changes the file's name. */
enum { LAYOUT = 2, BUCKETS = 256, ENTRIES = 8 };
struct entry {
    uint64_t key;
    admit_facts facts;
};
struct bucket {
    struct entry entry[ENTRIES];
};
enum { FILE_SIZE = BUCKETS * sizeof(struct bucket) };

static int open_file(int flags, unsigned uid)
{
    char path[DOMAIN_FILE_PATH];
    return domain_programs_name(path, LAYOUT, uid, settings.domain) ? domain_file_open(path, flags) : -1;
}

static bool is_sound(int fd)
{
    struct stat file;
    return domain_file_is_ours(fd, &file) && file.st_size <= (off_t)FILE_SIZE;
}

static off_t place_of(uint64_t program)
{
    return (off_t)((program >> 32) % BUCKETS * sizeof(struct bucket));
}

/* Both kinds are in one bucket. 0 is nobody's key. */
static uint64_t key_of(uint64_t program, enum kind kind)
{
    return ((program & ~(uint64_t)1) | 2) + (kind == KIND_CHILD);
}

/* What is not in the file yet is zero. */
static void read_bucket(int fd, uint64_t program, struct bucket *bucket)
{
    for (int i = 0; i < ENTRIES; i++) /* an initializer would be a call of memset */
        bucket->entry[i] = (struct entry){0};
    os_read_at(fd, bucket, sizeof *bucket, place_of(program));
}

static struct entry *entry_of(struct bucket *bucket, uint64_t key)
{
    for (int i = 0; i < ENTRIES; i++)
        if (bucket->entry[i].key == key)
            return &bucket->entry[i];
    return NULL;
}

int programs_open(void)
{
    /* As of the start, without a system call: who changes its user later is looked up under the new one. */
    return open_file(O_RDONLY, (unsigned)getauxval(AT_EUID));
}

/* Whose the file is is asked for what was found alone: of most programs nothing is known. */
void programs_find(int fd, uint64_t program, admit_facts facts[KINDS])
{
    struct bucket bucket;
    bool is_known = false;
    read_bucket(fd, program, &bucket);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const struct entry *entry = entry_of(&bucket, key_of(program, kind));
        facts[kind] = entry ? entry->facts : 0;
        is_known |= facts[kind] != 0;
    }
    if (is_known && !is_sound(fd))
        facts[KIND_PROGRAM] = facts[KIND_CHILD] = 0;
}

/* A file beyond the limit is a SIGXFSZ. */
static bool may_grow(void)
{
    struct rlimit limit;
    return os_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur >= FILE_SIZE;
}

void programs_learn(uint64_t program, enum kind kind, const struct admit_run *run)
{
    struct bucket bucket;
    uint64_t key = key_of(program, kind);
    int fd = may_grow() ? open_file(O_RDWR | O_CREAT, (unsigned)os_call(SYS_geteuid)) : -1;
    if (fd < 0)
        return;
    if (!is_sound(fd)) {
        os_close(fd);
        return;
    }
    read_bucket(fd, program, &bucket);
    struct entry *entry = entry_of(&bucket, key);
    if (!entry)
        entry = entry_of(&bucket, 0);
    if (!entry) /* somebody has to make room */
        entry = &bucket.entry[run->wall % ENTRIES];
    if (entry->key != key)
        *entry = (struct entry){key, 0};
    entry->facts = admit_learn(entry->facts, run);
    os_write_at(fd, entry, sizeof *entry, place_of(program) + (off_t)((size_t)(entry - bucket.entry) * sizeof *entry));
    os_close(fd);
}
