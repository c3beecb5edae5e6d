#ifndef UNIRUN_SHIM_THREAD_CLOCK_H
#define UNIRUN_SHIM_THREAD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct worker;

/* The worker whose CPU time the clock measures; NULL: it is another kind of clock, or another thread's. */
struct worker *clock_worker(clockid_t clock);

/* Whether it is the clock of a thread that has ended: the kernel knows no such clock (EINVAL). */
bool clock_has_ended(clockid_t clock);

/* How far the kernel's clock is ahead of what the program reads from it, in nanoseconds. */
int64_t clock_base(clockid_t clock);

#endif
