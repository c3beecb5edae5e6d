/* The CPU count that a program or a thread-pool runtime is told: facts in, a number out. Pure. */
#ifndef UNIRUN_POLICY_COUNT_H
#define UNIRUN_POLICY_COUNT_H

#include <stdbool.h>
#include <stddef.h>

/* Runtimes that make a pool of as many threads as they find CPUs when they start (libuv's pool has four threads,
 * whatever the machine); and Go's, which counts by itself. */
enum runtime { RUNTIME_NONE, RUNTIME_LIBGOMP, RUNTIME_LIBOMP, RUNTIME_OPENBLAS, RUNTIME_GO };

/* The lesser of `cpus` and `quota`; a quota of 0 is none. */
unsigned count_limit(unsigned cpus, unsigned quota);

/* Whether `env`, an environment block, leaves the start-up size of `runtime` to itself. Not where a variable that it
 * obeys gives the size; nor where one asks for places or binding, for which it uses the mask that it read. A variable
 * with an empty value counts: what the runtime makes of it is its own affair. A NULL `env` is an empty one. */
bool count_is_left_open(enum runtime runtime, char *const *env);

/* How many CPUs are in the `size` bytes at `mask`. */
unsigned count_cpus(const unsigned char *mask, size_t size);

/* Takes all but the first `keep` CPUs out of it. */
void count_cut(unsigned char *mask, size_t size, unsigned keep);

#endif
