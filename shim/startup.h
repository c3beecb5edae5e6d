/* Start-up: read the environment once, decide the mode, switch the calls. */
#ifndef UNIRUN_SHIM_STARTUP_H
#define UNIRUN_SHIM_STARTUP_H

#include <stdbool.h>

#include "policy/config.h"
#include "policy/decide.h"

/* Starts up if that has not happened yet and can happen now; whether start-up is complete. Never waits.
 * Context: any thread, any constructor, a signal handler. */
bool startup(void);

/* What applies in this process. Constant once startup() has returned true. */
extern struct config settings __attribute__((visibility("hidden")));

#endif
