#ifndef UNIRUN_SHIM_THREAD_CLOCK_H
#define UNIRUN_SHIM_THREAD_CLOCK_H

#include <stdint.h>
#include <time.h>

struct worker;

/* The worker whose CPU time the clock measures; NULL: it is another kind of clock, or another thread's. */
struct worker *clock_worker(clockid_t clock);

/* How far the kernel's clock is ahead of what the program reads from it, in nanoseconds. */
int64_t clock_base(clockid_t clock);

#endif
