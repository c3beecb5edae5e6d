#ifndef UNIRUN_SHIM_THREAD_TIMER_H
#define UNIRUN_SHIM_THREAD_TIMER_H

#include <signal.h>
#include <time.h>

/* A timer is about to be made: the workers whose time it measures, or that it signals, end with their tasks. `event`
 * may be any address. */
void timer_tie(clockid_t clock, const struct sigevent *event);

#endif
