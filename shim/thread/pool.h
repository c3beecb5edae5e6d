/* The pool: parked workers by stack and lineage, and the records of all workers. */
#ifndef UNIRUN_SHIM_THREAD_POOL_H
#define UNIRUN_SHIM_THREAD_POOL_H

#include <stdbool.h>

#include "shim/thread/worker.h"

/* What other files note of the process's threads. In the pool's memory: zero in a fork child, which has none of them.
 */
struct census {
    pthread_t main;        /* see lineage.c */
    int spinners, parking; /* see spin.c */
    bool is_exhausted;     /* see create.c */
};
extern struct census *const census __attribute__((visibility("hidden")));

/* Before the first thread; several may do it at once, with the same values. `tidy`: exit() waits for idle workers to
 * end. (Not otherwise: it may be called where a thread cannot end, from a handler that has interrupted malloc, for
 * instance.) */
bool pool_start(unsigned most_idle, unsigned idle_ms, bool tidy);

/* A parked worker with such a stack, of that lineage, now the caller's; NULL: there is none. */
struct worker *pool_claim(struct stack_class stack, uint32_t lineage);

/* Parks a worker whose id nobody needs and that is fresh; or lets it end, if it is dying, or the pool is full or
 * drained. */
void pool_put(struct worker *worker);

/* Takes an idle worker out, if it still is idle: its patience is over. Whether it was. */
bool pool_leave(struct worker *worker);

/* The same for a worker whose ended task was not joined yet: it becomes libc's, if it still is not. */
bool pool_leave_unjoined(struct worker *worker);

/* The worker's thread ends, for a reason of ours: pool_empty() waits for it. */
void pool_note_leaving(const struct worker *worker);

/* How long an idle worker waits before it ends, in nanoseconds. */
int64_t pool_idle_ns(void);

/* Lets every idle worker end. The program's limits may be in the way of a new thread of another kind. */
void pool_dismiss_idle(void);

/* The same for the threads of tasks that have ended and were not joined yet, too: they count for limits on threads,
 * where without us they would be gone. Whether there were any. Context: also a signal handler; it may then do nothing.
 */
bool pool_make_room(void);

/* The creator needs the record of the thread that it has made no more. */
void record_born(struct worker *worker);

/* The limit on the address space, or on data, was set: idle stacks are kept only as far as libc itself keeps them. */
void pool_limit_stacks(void);

/* The same, and waits until they have: the process must have no thread but the program's own. */
void pool_join_idle(void);

/* The same, and those whose ended tasks were not joined yet end too, for libc's pthread_join to find. At most 100 ms.
 * Nothing in a vfork child. */
void pool_empty(void);

/* The latter alone: a fork child asks libc for the results of tasks that had ended. Context: also a signal handler. */
void pool_prefork(void);

/* From now on nothing parks, and what is parked ends: the program's last threads decide when the process ends. */
void pool_drain(void);
bool pool_is_draining(void);

/* Whether the calling process is a vfork child, in its parent's memory. False also where no thread was made yet, and
 * where nothing is managed any more: then nothing hangs on it, and the process may have forbidden the call. */
bool pool_is_parents(void);

/* From now on no thread is managed: what they inherit cannot be told any more. */
void pool_forget(void);
bool pool_is_forgotten(void);

/* Tasks that are running now: a guess that needs no lock. */
int pool_running(void);

/* A zeroed record, or NULL; and back. */
struct worker *record_new(void);
void record_free(struct worker *worker);

/* Calls `visit` for each thread that a runtime has made for its pool. */
void pool_each_pooled(void (*visit)(int tid, void *arg), void *arg);

/* The worker whose kernel thread is `tid`, or NULL. */
struct worker *pool_find(int tid);

#endif
