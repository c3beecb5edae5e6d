/* Is a signal handler running? */
#ifndef UNIRUN_SHIM_PROCESS_HANDLER_H
#define UNIRUN_SHIM_PROCESS_HANDLER_H

#include <stdbool.h>

/* Whether the calling thread is in a signal handler; in doubt, yes. Reads the whole stack: for slow paths.
 * Context: any. Keeps errno. */
bool handler_is_running(void);

#endif
