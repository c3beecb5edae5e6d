/* Lineage: which threads are alike in what a new thread inherits from its creator (affinity, scheduling, priority,
 * namespaces, credentials, seccomp, timer slack, memory policy ...).
 *
 * The thread that starts the program is of lineage 1. A thread gets its creator's; a thread that changes itself, or is
 * changed, gets a new number. So a parked worker may serve any creator of its own lineage and no other. 0: unknown, a
 * thread that was made where we could not see it. */
#ifndef UNIRUN_SHIM_THREAD_LINEAGE_H
#define UNIRUN_SHIM_THREAD_LINEAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINEAGE_UNKNOWN = 0, LINEAGE_MAIN = 1 };

/* Context: start-up, in the thread that starts the program. */
void lineage_start(void);

/* The process is about to have a second thread. */
void lineage_found(void);

/* Whether `thread` is the one that the process began with: in a fork child, the one that forked. */
bool lineage_is_main(pthread_t thread);

/* The calling thread's. */
uint32_t lineage_own(void);

/* A number that no thread has. */
uint32_t lineage_new(void);

/* The calling thread, the thread `thread`, or the kernel thread `tid` (0: the calling one) is no longer like its
 * creator. Its worker retires. Where a tid is of this process, but no thread that we know, nothing is managed any more:
 * what its threads inherit from each other cannot be told. */
void lineage_changed_self(void);
void lineage_changed(pthread_t thread);
void lineage_changed_tid(pid_t tid);

#endif
