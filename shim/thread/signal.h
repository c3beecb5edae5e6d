#ifndef UNIRUN_SHIM_THREAD_SIGNAL_H
#define UNIRUN_SHIM_THREAD_SIGNAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a signal may go to the kernel thread `tid` of this process; its worker then ends for real with its task.
 * False: it is parked, or its task has ended, and for the program there is no such thread. */
bool signal_may_reach(pid_t tid, int signal);

#endif
