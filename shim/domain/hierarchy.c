#include "shim/domain/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The stack of a program's thread may be small: all that is live at a time here stays below 8 KiB. */
enum {
    LINE = 2048,      /* a longer line is cut: what is past that of a mount is its options */
    FILE_PATH = 1536, /* root, directory and file name */
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

bool hierarchy_find(const char *root, const char *controller, enum cgroup_version *version, struct cgroup_place *place)
{
    struct cgroup_membership membership = {.controller = controller};
    read_membership(root, &membership);
    *version = membership.version;
    return cgroup_membership_known(&membership) && read_mounts(root, &membership, place);
}

/* ---- its files ---- */

size_t hierarchy_read(const char *root, const char *directory, const char *name, char buffer[HIERARCHY_NUMBER])
{
    int fd = open_file(root, directory, name);
    if (fd < 0)
        return 0;
    ssize_t got = read_some(fd, buffer, HIERARCHY_NUMBER);
    close(fd);
    return got > 0 && got < HIERARCHY_NUMBER ? (size_t)got : 0;
}

bool hierarchy_read_line(const char *root, const char *directory, const char *file, const char *name, uint64_t *bytes)
{
    struct lines lines = {.fd = open_file(root, directory, file)};
    bool is_found = false;
    size_t length;
    if (lines.fd < 0)
        return false;
    for (const char *line; !is_found && (line = next_line(&lines, &length));)
        is_found = cgroup_memory_line(line, length, name, bytes);
    close(lines.fd);
    return is_found;
}
