#include "shim/os.h"
#include "shim/libc.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim/switchboard/switchboard.h"

/* Through libc's syscall() behind us: it is neither a cancellation point nor our own trampoline. */
#define SYSTEM_CALL(...) ((long (*)(long, ...))real.syscall)(__VA_ARGS__)

bool os_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    int saved = errno;
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    long result = SYSTEM_CALL(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    bool over = result == -1 && errno == ETIMEDOUT;
    errno = saved;
    return !over;
}

void os_wake(const uint32_t *word, int count)
{
    int saved = errno;
    SYSTEM_CALL(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

int64_t os_now(void)
{
    struct timespec now;
    real.clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int os_wipe_in_children(void *memory, size_t size)
{
    int saved = errno;
    int error = madvise(memory, size, MADV_WIPEONFORK) ? errno : 0;
    errno = saved;
    return error;
}

void *os_map_wiped(size_t size)
{
    int saved = errno;
    void *memory = libc.mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        memory = NULL;
    else if (os_wipe_in_children(memory, size)) {
        libc.munmap(memory, size);
        memory = NULL;
    }
    errno = saved;
    return memory;
}

void os_discard(uintptr_t from, uintptr_t to)
{
    int saved = errno;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED);
    errno = saved;
}
