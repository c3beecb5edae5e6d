/* A new process that the system refuses for want of processes or memory is asked for again, for a bounded time. */
#ifndef UNIRUN_SHIM_PROCESS_RETRY_H
#define UNIRUN_SHIM_PROCESS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/switchboard/switchboard.h"

/* One call's attempts. Starts zeroed. */
struct retry {
    int64_t begun; /* os_now() at the first refusal; 0: there was none */
    int64_t pause; /* nanoseconds, doubled each time */
};

/* The call has just ended with `error` (0: it succeeded). Whether to make it again: after a pause, in which nothing is
 * a cancellation point. Not after UNIRUN_SPAWN_RETRY_MS in total; and once that has been waited for in vain, not at all
 * until a process was made again, so that a program that forks until it fails does not crawl. Keeps errno. */
bool retry_again(struct retry *retry, int error);

/* The call is over. If it was tried again and failed all the same, that is a downgrade. */
void retry_done(const struct retry *retry, bool failed, enum symbol call, const void *caller);

#endif
