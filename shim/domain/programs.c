#include "shim/domain/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/domain/file.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/startup.h"

/* The layout: buckets of entries, an all-zero one free. A change of it changes the file's name. */
enum { LAYOUT = 1, BUCKETS = 256, ENTRIES = 8 };
struct entry {
    uint64_t key;
    admit_facts facts;
};
struct bucket {
    struct entry entry[ENTRIES];
};
enum { FILE_SIZE = BUCKETS * sizeof(struct bucket) };

static int open_file(int flags)
{
    struct stat file;
    char path[DOMAIN_FILE_PATH];
    if (!domain_file_name(path, "programs-", LAYOUT, settings.domain))
        return -1;
    int fd = domain_file_open(path, flags, &file);
    if (fd >= 0 && file.st_size > (off_t)FILE_SIZE) {
        os_close(fd);
        return -1;
    }
    return fd;
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
    memset(bucket, 0, sizeof *bucket);
    os_read_at(fd, bucket, sizeof *bucket, place_of(program));
}

static struct entry *entry_of(struct bucket *bucket, uint64_t key)
{
    for (int i = 0; i < ENTRIES; i++)
        if (bucket->entry[i].key == key)
            return &bucket->entry[i];
    return NULL;
}

bool programs_find(uint64_t program, admit_facts facts[KINDS])
{
    struct bucket bucket;
    int fd = open_file(O_RDONLY);
    memset(facts, 0, KINDS * sizeof *facts);
    if (fd < 0)
        return false;
    read_bucket(fd, program, &bucket);
    os_close(fd);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const struct entry *entry = entry_of(&bucket, key_of(program, kind));
        facts[kind] = entry ? entry->facts : 0;
    }
    return true;
}

/* A file beyond the limit is a SIGXFSZ. */
static bool may_grow(void)
{
    struct rlimit limit;
    return libc.getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= FILE_SIZE;
}

void programs_learn(uint64_t program, enum kind kind, const struct admit_run *run)
{
    struct bucket bucket;
    uint64_t key = key_of(program, kind);
    int fd = may_grow() ? open_file(O_RDWR | O_CREAT) : -1;
    if (fd < 0)
        return;
    read_bucket(fd, program, &bucket);
    struct entry *entry = entry_of(&bucket, key);
    if (!entry)
        entry = entry_of(&bucket, 0);
    if (!entry) /* somebody has to make room */
        entry = &bucket.entry[run->wall % ENTRIES];
    if (entry->key != key)
        *entry = (struct entry){key, 0};
    entry->facts = admit_learn(entry->facts, run);
    os_write_at(fd, entry, sizeof *entry, place_of(program) + (off_t)((char *)entry - (char *)&bucket));
    os_close(fd);
}
