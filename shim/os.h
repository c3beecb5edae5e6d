/* A thin layer over the system calls that more than one subsystem needs. An `int` result is an error number, 0 success.
 * Nothing here is a cancellation point, takes a lock or allocates; errno is left alone. */
#ifndef UNIRUN_SHIM_OS_H
#define UNIRUN_SHIM_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sleeps while *word is `expected`, at most `timeout_ns` nanoseconds (negative: without limit). Whether it was woken or
 * found another value; false: the time is over. May return true for no reason. */
bool os_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);

/* Wakes up to `count` threads that sleep on `word`. */
void os_wake(const uint32_t *word, int count);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t os_now(void);

/* Zeroed memory of whole pages, which a fork child finds zeroed again; NULL: there is none. */
void *os_map_wiped(size_t size);

/* Makes fork children find the whole pages at `memory` zeroed (MADV_WIPEONFORK, Linux 4.14). */
int os_wipe_in_children(void *memory, size_t size);

/* Gives the memory behind the whole pages in [from, to) back; their content is lost. */
void os_discard(uintptr_t from, uintptr_t to);

/* A hint to the processor that this is a spin loop. */
static inline void os_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

enum { OS_PAGE = 4096 };

#endif
