/* A new process that the system refuses for want of processes or memory is asked for again, for a bounded time. */
#ifndef UNIRUN_SHIM_PROCESS_RETRY_H
#define UNIRUN_SHIM_PROCESS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/switchboard/switchboard.h"

/* One call's attempts. Starts zeroed. */
struct retry {
    unsigned refused;
    int error;     /* the last refusal's; 0: there was none */
    int64_t begun; /* os_now() at the first refusal */
};

/* The call has just ended with `error` (0: it succeeded). Whether to make it again: after a pause, in which nothing is
 * a cancellation point. Not after UNIRUN_SPAWN_RETRY_MS of pauses in total; and once that has been waited for in vain,
 * not at all until a process was made again, so that a program that forks until it fails does not crawl. Never in a
 * signal handler, nor where the process has restricted its system calls. Keeps errno. */
bool retry_again(struct retry *retry, int error);

/* In a fork child: nothing was refused yet. */
void retry_forget(void);

/* The call is over, and made a process or not. A refusal is a downgrade. Keeps errno. */
void retry_done(const struct retry *retry, bool failed, enum symbol call, const void *caller);

#endif
