/* What happens around the making of a child, in order.
 *
 *   by                                    before              after, in the parent and in the child
 *   fork, __fork, forkpty, daemon         fork_before()       fork_after_in_parent(), fork_after_in_child(): libc's
 *                                                             handlers, once the process has had a thread or a team
 *   _Fork                                 fork_before()       the same, by its row
 *   clone and system calls by number,     fork_mark()         nothing
 *   without shared memory
 *   vfork, posix_spawn, popen, clone      fork_mark()         nothing: a child in its parent's memory makes no thread,
 * and with shared memory                                        what it changes in itself is not its parent's
 *                                                             (pool_is_parents(), and the owners of log and row)
 *
 * A child finds the rest as at start, for it lies in memory that the kernel hands to children zeroed, however they were
 * made: the pool with all records and what is counted of threads, the counts of the log, the place in the domain, and
 * whether the loader's lock is ours. So nothing depends on a handler having run: those of others, which may run before
 * ours, find the child in order. What is not zeroed is the program's (its settings, keys, lineages), or true of the
 * child, too (what is loaded, that the loader's lock may be stuck, that the process ends). */
#ifndef UNIRUN_SHIM_PROCESS_FORK_H
#define UNIRUN_SHIM_PROCESS_FORK_H

/* The calling thread makes a process. It ends for real when its task does: the child may have asked for a signal at
 * that moment (PR_SET_PDEATHSIG). Before and not after, so that a child that has the thread is told the truth of it: it
 * is libc's alone. Context: any, also a signal handler. */
void fork_mark(void);

void fork_before(void);
void fork_after_in_parent(void);
void fork_after_in_child(void);

/* From now on libc runs them around every fork(3). Before the process has a second thread; repeating it changes
 * nothing. */
void fork_watch(void);

#endif
