/* A thin layer over the system calls that more than one subsystem needs. An `int` result is an error number, 0 success.
 * Nothing here is a cancellation point, takes a lock or allocates; errno is left alone. */
#ifndef UNIRUN_SHIM_OS_H
#define UNIRUN_SHIM_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A system call (syscall(2)): its result, or the negative of an error number. Not by libc's function, which has to be
 * found, and puts the error where a fork child has a page to copy first. In os_x86_64.S. */
long os_call(long number, ...);

/* Sleeps while *word is `expected`, at most `timeout_ns` nanoseconds (negative: without limit). Whether it was woken or
 * found another value; false: the time is over. May return true for no reason. */
bool os_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);

/* Wakes up to `count` threads that sleep on `word`. */
void os_wake(const uint32_t *word, int count);

/* The same two for a word in memory that processes share. */
bool os_wait_shared(const uint32_t *word, uint32_t expected, int64_t timeout_ns);
void os_wake_shared(const uint32_t *word, int count);

/* The same for some of those who sleep: a waker wakes all whose mask has a bit of its own (FUTEX_WAIT_BITSET). */
bool os_wait_for(const uint32_t *word, uint32_t expected, int64_t timeout_ns, uint32_t mask);
void os_wake_some(const uint32_t *word, uint32_t mask);

/* open(2), without being a cancellation point: a descriptor, or -1. And what goes with it. */
struct stat;
int os_open(const char *path, int flags, unsigned mode);
void os_close(int fd);
int os_fstat(int fd, struct stat *out);
int os_stat(const char *path, struct stat *out);

/* What is read from the start of the file at `path`, up to size - 1 bytes, with a NUL behind it. False: nothing. */
bool os_read_file(const char *path, char *text, size_t size);

/* pread(2) and pwrite(2) of a few bytes; whether it was all of them. */
bool os_read_at(int fd, void *out, size_t size, int64_t offset);
bool os_write_at(int fd, const void *from, size_t size, int64_t offset);

/* Gives a file of a memory file system all of its memory. */
int os_allocate(int fd, size_t size);

/* Copies memory that may not be there; whether it was. */
bool os_read_memory(const void *address, void *out, size_t size);

/* Whether there is memory to be read: the word around `address`, which is on one page with it. */
bool os_is_readable(const void *address);

/* The kernel's numbers of the process and of the calling thread. */
int os_pid(void);
int os_tid(void);

/* Whether the alternate signal stack that the calling thread is on has so much room left; true on any other stack. */
bool os_has_stack(size_t size);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t os_now(void);

/* A clock (clock_gettime(2)) by a system call, in nanoseconds: who asks once or twice waits longer for the first touch
 * of what os_now() reads. */
int64_t os_clock(int clock);

/* From now on the processor's time stamp counter is not read here: the process has forbidden it. */
void os_avoid_counter(void);

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
