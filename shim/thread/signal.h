#ifndef UNIRUN_SHIM_THREAD_SIGNAL_H
#define UNIRUN_SHIM_THREAD_SIGNAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a signal may go to the kernel thread `tid` of this process: false if it is parked, or its task has ended, and
 * for the program there is no such thread. Otherwise its worker ends for real with its task. */
bool signal_may_reach(pid_t tid, int signal);

/* The same for something that the thread itself will not get rid of: also of the calling thread. `why` is for the log.
 */
bool signal_may_tie(pid_t tid, const char *why);

/* Whether pidfd_open may be given the number `tid`. A descriptor of a thread tells when the thread ends. */
bool pidfd_may_open(pid_t tid, unsigned flags);

#endif
