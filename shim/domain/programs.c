#include "shim/domain/programs.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/domain/file.h"
#include "shim/domain/member.h"
#include "shim/os.h"
#include "shim/startup.h"

/* The layout: buckets of entries, and of runs that go on, an all-zero one free. A change of it changes the file's name.
 */
enum { LAYOUT = 3, BUCKETS = 256, ENTRIES = 8 };
struct entry {
    uint64_t key;
    admit_facts facts;
};
struct bucket {
    struct entry entry[ENTRIES];
    struct programs_run run[PROGRAMS_RUNS];
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

/* A file beyond the limit is a SIGXFSZ. */
static bool may_grow(void)
{
    struct rlimit limit;
    return os_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur >= FILE_SIZE;
}

int programs_open(void)
{
    /* As of the start, without a system call: who changes its user later is looked up under the new one. */
    const unsigned uid = (unsigned)getauxval(AT_EUID);
    int fd = open_file(O_RDWR, uid);
    return fd < 0 && may_grow() ? open_file(O_RDWR | O_CREAT, uid) : fd;
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

/* ---- runs that go on ---- */

static off_t place_of_run(uint64_t program, int place)
{
    return place_of(program) + (off_t)(sizeof(struct entry) * ENTRIES + sizeof(struct programs_run) * (size_t)place);
}

static bool read_runs(int fd, uint64_t program, struct programs_run runs[PROGRAMS_RUNS])
{
    for (int i = 0; i < PROGRAMS_RUNS; i++)
        runs[i] = (struct programs_run){0};
    return program && os_read_at(fd, runs, sizeof *runs * PROGRAMS_RUNS, place_of_run(program, 0));
}

static bool is_over(const struct programs_run *run)
{
    return !run->pid || member_is_gone(run->pid);
}

unsigned programs_runs(int fd, uint64_t program, uint32_t pid, struct programs_run runs[PROGRAMS_RUNS])
{
    unsigned count = 0;
    read_runs(fd, program, runs);
    for (int i = 0; i < PROGRAMS_RUNS; i++)
        if (runs[i].program == program && program && runs[i].pid != pid && !is_over(&runs[i]))
            runs[count++] = runs[i];
    return count;
}

static int free_place(const struct programs_run runs[PROGRAMS_RUNS])
{
    int place = 0;
    while (place < PROGRAMS_RUNS && !is_over(&runs[place]))
        place++;
    return place < PROGRAMS_RUNS ? place : -1;
}

/* Written first, and read again: of two who come at the same time one at least finds the other, or has been written
 * over by it. */
int programs_enter(int fd, uint64_t program, uint32_t pid, uint32_t now, unsigned *siblings)
{
    struct programs_run runs[PROGRAMS_RUNS];
    struct stat file;
    *siblings = 0;
    if (!domain_file_is_ours(fd, &file) || file.st_size > (off_t)FILE_SIZE || !may_grow())
        return -1;
    read_runs(fd, program, runs);
    int place = free_place(runs);
    const struct programs_run own = {program, pid, now};
    if (place >= 0 && !os_write_at(fd, &own, sizeof own, place_of_run(program, place)))
        place = -1;
    *siblings = programs_runs(fd, program, pid, runs);
    return place;
}

void programs_quit(uint64_t program, uint32_t pid, int place)
{
    struct programs_run run = {0};
    int fd = programs_open();
    if (fd < 0)
        return;
    const off_t at = place_of_run(program, place);
    if (os_read_at(fd, &run, sizeof run, at) && run.program == program && run.pid == pid) {
        run = (struct programs_run){0};
        os_write_at(fd, &run, sizeof run, at);
    }
    os_close(fd);
}

/* ---- what is learnt ---- */

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
