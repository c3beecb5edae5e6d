/* When to spin before sleeping. A hand-over to a spinning thread takes a fraction of a microsecond, a wake-up on
 * another CPU a dozen; but who spins in vain takes a CPU from the one that he waits for.
 *
 * So nobody spins without a CPU to spare, and only where waits of this kind have lately been shorter than the spin: a
 * worker looks at how soon its own last call came, joiners at how soon tasks lately ended. Both learn from waits that
 * they slept through, too, by the times that the other side noted. */
#ifndef UNIRUN_SHIM_THREAD_SPIN_H
#define UNIRUN_SHIM_THREAD_SPIN_H

#include "shim/thread/worker.h"

/* Reads how many CPUs the calling thread may use. Context: start-up, and when that may have changed. */
void spin_count_cpus(void);

/* The creator is about to call the parked `worker`. */
void spin_called(struct worker *worker);

/* The worker's task is over. */
void spin_task_ends(struct worker *worker);

/* Spins for the next call, if that is likely to pay. Context: the worker, parked. Returns the call, or CALL_WAIT. */
enum call spin_for_call(struct worker *worker);

/* Spins for the end of the task, if that is likely to pay; its word then. Context: the joiner. */
uint32_t spin_for_end(struct worker *worker);

/* The joiner slept from `since` (nanoseconds, os_now) until the task ended. */
void spin_slept(const struct worker *worker, int64_t since);

/* If a worker is about to park, gives it that moment. */
void spin_for_parking(void);
void spin_parks_soon(void);
void spin_parked(void);

/* Waits until every worker whose task has ended is parked; at most ten milliseconds. */
void spin_settle(void);

#endif
