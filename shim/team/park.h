/* The pool threads of runtimes spin for a while after a region (libgomp for milliseconds, libomp for 200): while
 * another gang has the turn, they would take its CPUs. So those of a process that waits for its turn are made to sleep,
 * by a signal to each of them. They are between regions then, in the runtime's own code. */
#ifndef UNIRUN_SHIM_TEAM_PARK_H
#define UNIRUN_SHIM_TEAM_PARK_H

#include <stdbool.h>

/* The pool threads go to sleep, until park_end() or for ten seconds. The caller makes sure that no thread of the
 * process is in a region, or ends it at once: whoever enters one calls park_end() when it is seen to be inside.
 * Context: any thread, under no lock. */
void park_begin(void);
void park_end(void);

/* Before the first park_begin(). False: the kernel lacks what it takes. */
bool park_start(void);

#endif
