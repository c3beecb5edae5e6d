#include "shim/domain/capacity.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* The stack of a program's thread may be small: all that is live at a time here stays below 8 KiB. */
enum {
    LINE = 2048,            /* a longer line is cut: what is past that of a mount is its options */
    NUMBER = 64,            /* cpu.max has two numbers; a longer file is none that we know */
    FILE_PATH = 1536,       /* root, directory and file name */
    MASK_BYTES = 16384 / 8, /* more CPUs than any kernel is built for (8192 on x86-64) */
};

/* ---- files ---- */

/* Writes `root` + `directory` + `name`. Returns false where that does not fit. */
static bool join_path(char *path, const char *root, const char *directory, const char *name)
{
    const char *const parts[] = {root, directory, name};
    size_t length = 0;
    for (int i = 0; i < 3; i++) {
        size_t add = strlen(parts[i]);
        if (length + add >= FILE_PATH)
            return false;
        memcpy(path + length, parts[i], add + 1);
        length += add;
    }
    return true;
}

static int open_file(const char *root, const char *directory, const char *name)
{
    char path[FILE_PATH];
    if (!join_path(path, root, directory, name))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static ssize_t read_some(int fd, char *buffer, size_t size)
{
    ssize_t got;
    do
        got = read(fd, buffer, size);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Lines of a file of any size, one at a time. A line that does not fit is given cut, and the rest of it dropped. */
struct lines {
    int fd;
    size_t start, end; /* what of the buffer has not been given out */
    bool dropping;     /* the buffer begins in the middle of a cut line */
    char buffer[LINE];
};

static bool fill(struct lines *lines)
{
    memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    ssize_t got = read_some(lines->fd, lines->buffer + lines->end, LINE - lines->end);
    lines->end += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* The next piece that ends with a newline, fills the buffer, or ends the file. NULL at the end. */
static const char *next_piece(struct lines *lines, size_t *length, bool *complete)
{
    for (;;) {
        const char *start = lines->buffer + lines->start;
        size_t left = lines->end - lines->start;
        const char *newline = memchr(start, '\n', left);
        *complete = newline != NULL;
        *length = newline ? (size_t)(newline - start) : left;
        if (newline || left == LINE) {
            lines->start += *length + *complete;
            return start;
        }
        if (fill(lines))
            continue;
        /* fill() has moved what is left to the front. */
        lines->start = lines->end;
        return left ? lines->buffer : NULL;
    }
}

static const char *next_line(struct lines *lines, size_t *length)
{
    for (;;) {
        bool complete, inside = lines->dropping;
        const char *piece = next_piece(lines, length, &complete);
        if (!piece)
            return NULL;
        lines->dropping = !complete;
        if (!inside)
            return piece;
    }
}

/* ---- the cgroup of this process ---- */

static void read_membership(const char *root, struct cgroup_membership *membership)
{
    struct lines lines = {.fd = open_file(root, "", "/proc/self/cgroup")};
    size_t length;
    memset(membership, 0, sizeof *membership);
    if (lines.fd < 0)
        return;
    for (const char *line; (line = next_line(&lines, &length));)
        cgroup_membership_line(membership, line, length);
    close(lines.fd);
}

static bool read_mounts(const char *root, const struct cgroup_membership *membership, struct cgroup_place *best)
{
    struct lines lines = {.fd = open_file(root, "", "/proc/self/mountinfo")};
    struct cgroup_place place;
    size_t length;
    bool found = false;
    if (lines.fd < 0)
        return false;
    for (const char *line; (line = next_line(&lines, &length));) {
        if (!cgroup_mount_line(line, length, membership, &place))
            continue;
        if (!found || cgroup_place_is_better(&place, best))
            *best = place;
        found = true;
    }
    close(lines.fd);
    return found;
}

static bool find_place(const char *root, enum cgroup_version *version, struct cgroup_place *place)
{
    struct cgroup_membership membership;
    read_membership(root, &membership);
    *version = membership.version;
    return cgroup_membership_known(&membership) && read_mounts(root, &membership, place);
}

/* ---- its quota ---- */

/* A file that fills the buffer may have more to say, so it is in doubt as a missing one is: length 0. */
static size_t read_number(const char *root, const char *directory, const char *name, char buffer[NUMBER])
{
    int fd = open_file(root, directory, name);
    if (fd < 0)
        return 0;
    ssize_t got = read_some(fd, buffer, NUMBER);
    close(fd);
    return got > 0 && got < NUMBER ? (size_t)got : 0;
}

static unsigned quota_of(const char *root, const char *directory, enum cgroup_version version)
{
    char quota[NUMBER], period[NUMBER];
    if (version == CGROUP_V2)
        return cgroup_quota_v2(quota, read_number(root, directory, "/cpu.max", quota));
    size_t quota_length = read_number(root, directory, "/cpu.cfs_quota_us", quota);
    size_t period_length = read_number(root, directory, "/cpu.cfs_period_us", period);
    return cgroup_quota_v1(quota, quota_length, period, period_length);
}

/* The least quota from the process's own cgroup up; of equal ones the uppermost is named, which is where to change it.
 */
static void read_quota(const char *root, struct capacity *capacity, enum cgroup_version *version)
{
    struct cgroup_place place;
    if (!find_place(root, version, &place))
        return;
    do {
        unsigned quota = quota_of(root, place.directory, *version);
        if (!quota || (capacity->quota && quota > capacity->quota))
            continue;
        capacity->quota = quota;
        memcpy(capacity->cgroup, place.directory, place.length + 1);
    } while (cgroup_place_up(&place));
}

/* ---- affinity ---- */

/* Linux refuses only a mask that is too small. Should it refuse for another reason, one CPU is certain. */
static unsigned read_affinity(void)
{
    unsigned char mask[MASK_BYTES] __attribute__((aligned(__alignof__(cpu_set_t))));
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask))
        return 1;
    int count = CPU_COUNT_S(sizeof mask, (cpu_set_t *)(void *)mask);
    return count > 0 ? (unsigned)count : 1;
}

void capacity_read_quota(const char *root, struct capacity *capacity)
{
    enum cgroup_version version = CGROUP_NONE;
    int saved_errno = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    *capacity = (struct capacity){0};
    read_quota(root, capacity, &version);
    pthread_setcancelstate(cancel, NULL);
    errno = saved_errno;
    capacity->limit = version == CGROUP_V1 ? CAPACITY_CGROUP_V1 : CAPACITY_CGROUP_V2;
}

void capacity_read(const char *root, struct capacity *capacity)
{
    capacity_read_quota(root, capacity);
    int saved_errno = errno;
    capacity->affinity = read_affinity();
    errno = saved_errno;
    bool quota_rules = capacity->quota && capacity->quota < capacity->affinity;
    capacity->cpus = quota_rules ? capacity->quota : capacity->affinity;
    if (!quota_rules)
        capacity->limit = CAPACITY_AFFINITY;
}
