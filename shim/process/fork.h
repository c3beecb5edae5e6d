/* What happens around a fork. */
#ifndef UNIRUN_SHIM_PROCESS_FORK_H
#define UNIRUN_SHIM_PROCESS_FORK_H

/* In this order, in the thread that forks. What is not named here is in memory that the kernel hands to a child zeroed,
 * however it was made: the pool, counts of the log, the place in the domain. */
void fork_before(void);
void fork_after_in_parent(void);
void fork_after_in_child(void);

/* From now on libc runs them around every fork(3). Before the process has a second thread; repeating it
 * changes nothing. */
void fork_watch(void);

#endif
