/* How many CPUs a program and its runtimes are told of, in managed mode (UNIRUN_COUNTS). */
#ifndef UNIRUN_SHIM_DOMAIN_COUNTS_H
#define UNIRUN_SHIM_DOMAIN_COUNTS_H

#include "shim/domain/recognise.h"

/* Context: start-up, in managed mode. */
void counts_start(void);

/* The process has restricted its system calls: from now on what is known of the quota stays as it is. */
void counts_freeze(void);

/* How many of the `cpus` in its mask `runtime`, in `object`, is to start with: fewer where the quota is less and
 * neither the settings nor the environment speak against it; then that is said. Context: the runtime's initialisation.
 */
unsigned counts_for_runtime(enum runtime runtime, const struct object *object, unsigned cpus);

#endif
