#include "shim/os.h"
#include "shim/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/hot.h"

/* ---- futexes ---- */

static bool wait_on(const uint32_t *word, int operation, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    return os_call(SYS_futex, word, operation, expected, timeout_ns < 0 ? NULL : &timeout, NULL, 0) != -ETIMEDOUT;
}

bool os_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    return wait_on(word, FUTEX_WAIT_PRIVATE, expected, timeout_ns);
}

void os_wake(const uint32_t *word, int count)
{
    os_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

bool os_wait_shared(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    return wait_on(word, FUTEX_WAIT, expected, timeout_ns);
}

void os_wake_shared(const uint32_t *word, int count)
{
    os_call(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

bool os_wait_for(const uint32_t *word, uint32_t expected, int64_t timeout_ns, uint32_t mask)
{
    int64_t end = os_now() + timeout_ns;
    struct timespec deadline = {end / 1000000000, end % 1000000000};
    return os_call(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &deadline, NULL, mask) != -ETIMEDOUT;
}

void os_wake_some(const uint32_t *word, uint32_t mask)
{
    os_call(SYS_futex, word, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, mask);
}

/* ---- files ---- */

int os_open(const char *path, int flags, unsigned mode)
{
    long fd = os_call(SYS_openat, AT_FDCWD, path, flags, mode);
    return fd < 0 ? -1 : (int)fd;
}

void os_close(int fd)
{
    os_call(SYS_close, fd);
}

int os_fstat(int fd, struct stat *out)
{
    return (int)-os_call(SYS_fstat, fd, out);
}

int os_stat(const char *path, struct stat *out)
{
    return (int)-os_call(SYS_stat, path, out);
}

bool os_read_file(const char *path, char *text, size_t size)
{
    int fd = os_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    if (fd < 0)
        return false;
    long got = os_call(SYS_read, fd, text, size - 1);
    os_close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

bool os_read_at(int fd, void *out, size_t size, int64_t offset)
{
    return os_call(SYS_pread64, fd, out, size, offset) == (long)size;
}

bool os_write_at(int fd, const void *from, size_t size, int64_t offset)
{
    return os_call(SYS_pwrite64, fd, from, size, offset) == (long)size;
}

int os_allocate(int fd, size_t size)
{
    return (int)-os_call(SYS_fallocate, fd, 0, (off_t)0, (off_t)size);
}

/* ---- time and memory ---- */

HOT static bool avoid_counter;

void os_avoid_counter(void)
{
    store_relaxed(&avoid_counter, true); /* by the thread that is about to forbid it, for itself and its children */
}

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

int64_t os_clock(int clock)
{
    struct timespec now = {0};
    os_call(SYS_clock_gettime, clock, &now);
    return nanoseconds(&now);
}

int64_t os_now(void)
{
    struct timespec now;
    bool is_forbidden = load_relaxed(&avoid_counter);
    if (__builtin_expect(is_forbidden, 0))
        return os_clock(CLOCK_MONOTONIC);
    libc.clock_gettime(CLOCK_MONOTONIC, &now);
    return nanoseconds(&now);
}

bool os_has_stack(size_t size)
{
    stack_t stack;
    bool is_on_it = os_call(SYS_sigaltstack, NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK;
    return !is_on_it || (size_t)((char *)__builtin_frame_address(0) - (char *)stack.ss_sp) > size;
}

bool os_read_memory(const void *address, void *out, size_t size)
{
    struct iovec from = {(void *)address, size}, to = {out, size};
    return os_call(SYS_process_vm_readv, os_pid(), &to, 1UL, &from, 1UL, 0UL) == (long)size;
}

bool os_is_readable(const void *address)
{
    /* The kernel looks whether it has to wait for the word to change: for no time. */
    enum { ANYTHING = 0x5bd1e995 };
    static const struct timespec none;
    const uintptr_t word = (uintptr_t)address & ~(uintptr_t)3;
    return os_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, ANYTHING, &none, NULL, 0) != -EFAULT;
}

int os_pid(void)
{
    return (int)os_call(SYS_getpid);
}

int os_tid(void)
{
    return (int)os_call(SYS_gettid);
}

int os_wipe_in_children(void *memory, size_t size)
{
    /* By libc's function: a preload behind us can say no (the tests' does, as an old kernel would). */
    int saved = errno, error = madvise(memory, size, MADV_WIPEONFORK) ? errno : 0;
    errno = saved;
    return error;
}

void *os_map_wiped(size_t size)
{
    long memory = os_call(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0);
    if (memory < 0)
        return NULL;
    if (os_wipe_in_children((void *)memory, size) == 0)
        return (void *)memory;
    os_call(SYS_munmap, memory, size);
    return NULL;
}

void os_discard(uintptr_t from, uintptr_t to)
{
    if (from < to)
        os_call(SYS_madvise, from, to - from, MADV_DONTNEED);
}
