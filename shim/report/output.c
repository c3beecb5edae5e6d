#include "shim/report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/hot.h"

/* ---- is it still the same file? ---- */

/* A file's identity. The birth time tells a new file from a deleted one whose inode number it was given; where the file
 * system or the kernel has none, it is zero on both sides. */
struct identity {
    uint64_t device, inode, special;
    int64_t born_s;
    uint32_t born_ns;
    uint32_t type; /* S_IFMT bits; 0: there is no such descriptor */
};

static struct identity identify(int fd)
{
    struct statx x;
    struct stat s;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO | STATX_BTIME, &x) == 0) {
        bool born = x.stx_mask & STATX_BTIME;
        return (struct identity){
            .device = (uint64_t)x.stx_dev_major << 32 | x.stx_dev_minor,
            .inode = x.stx_ino,
            .special = (uint64_t)x.stx_rdev_major << 32 | x.stx_rdev_minor,
            .born_s = born ? x.stx_btime.tv_sec : 0,
            .born_ns = born ? x.stx_btime.tv_nsec : 0,
            .type = x.stx_mode & S_IFMT,
        };
    }
    /* A system call filter may refuse what this libc uses fstat for least: then without the birth time. Both calls of
     * one process take the same branch, unless a filter was installed between; then the identities differ, and
     * nothing is written. */
    if (errno != EBADF && fstat(fd, &s) == 0)
        return (struct identity){s.st_dev, s.st_ino, s.st_rdev, 0, 0, s.st_mode & S_IFMT};
    return (struct identity){0};
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->type && a->type == b->type && a->device == b->device && a->inode == b->inode &&
           a->special == b->special && a->born_s == b->born_s && a->born_ns == b->born_ns;
}

HOT static struct identity first_stderr;

void output_remember(void)
{
    int saved = errno;
    first_stderr = identify(STDERR_FILENO);
    errno = saved;
}

/* ---- can it be written without anybody noticing? ---- */

static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* A terminal that has room for a byte is ready for poll, and makes a longer write wait for the rest. So it is written
 * through a description of our own that does not wait: O_NONBLOCK on the program's would change it for everybody. What
 * is left of a line that did not fit is lost; the next begins on a line of its own. */
static bool terminal_is_mid_line;

static ssize_t write_terminal(int fd, const char *text, size_t length)
{
    char path[] = "/proc/self/fd/2";
    path[sizeof path - 2] = (char)('0' + fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return -1;
    struct iovec parts[] = {{(void *)"\n", load_relaxed(&terminal_is_mid_line)}, {(void *)text, length}};
    ssize_t written = writev(own, parts, 2) - (ssize_t)parts[0].iov_len;
    if (written > 0) /* relaxed: two threads at once may share a line */
        store_relaxed(&terminal_is_mid_line, written < (ssize_t)length);
    int failed = errno;
    close(own);
    errno = failed;
    return written;
}

/* poll said that there is room, but somebody else may have filled it since: ask the kernel not to wait where it can. */
static ssize_t write_now(int fd, uint32_t type, const char *text, size_t length)
{
    if (type == S_IFCHR && isatty(fd))
        return write_terminal(fd, text, length);
    if (type == S_IFSOCK)
        return send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (type == S_IFIFO) {
        struct iovec part = {(void *)text, length};
        ssize_t written = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
        if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM))
            return written;
    }
    return write(fd, text, length);
}

/* The signals that a write can raise against its own thread: blocked around it, and taken back if they came. SIGTTOU
 * never becomes pending when it is blocked: the kernel then lets the background write through. */
static ssize_t write_unsignalled(int fd, uint32_t type, const char *text, size_t length)
{
    sigset_t raised, before, pending;
    sigemptyset(&raised);
    sigaddset(&raised, SIGPIPE);
    sigaddset(&raised, SIGXFSZ);
    sigset_t blocked = raised;
    sigaddset(&blocked, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    sigemptyset(&pending);
    sigpending(&pending);
    ssize_t written = write_now(fd, type, text, length);
    if (written < 0) {
        /* One that was pending before is the program's: it keeps it. */
        if (sigismember(&pending, SIGPIPE))
            sigdelset(&raised, SIGPIPE);
        if (sigismember(&pending, SIGXFSZ))
            sigdelset(&raised, SIGXFSZ);
        const struct timespec at_once = {0, 0};
        while (sigtimedwait(&raised, NULL, &at_once) == -1 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

bool output_write(const char *text, size_t length)
{
    int saved = errno, cancel;
    bool done = false;
    /* poll and write are cancellation points, and most of the calls that we report on are not. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    struct identity now = identify(STDERR_FILENO);
    if (is_same(&first_stderr, &now) && is_ready(STDERR_FILENO))
        done = write_unsignalled(STDERR_FILENO, now.type, text, length) == (ssize_t)length;
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
    return done;
}
