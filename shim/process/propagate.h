/* What becomes of the programs that this one starts: does the shim go with them?
 *
 * It goes by the environment. A program that is given one without it, or that the loader keeps it from, runs unmanaged:
 * a downgrade of the process that starts it, or that has forked the one that does. */
#ifndef UNIRUN_SHIM_PROCESS_PROPAGATE_H
#define UNIRUN_SHIM_PROCESS_PROPAGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/switchboard/switchboard.h"

/* A program about to be executed in the place of this one, or in a child. */
struct departure {
    enum symbol call;
    const void *caller;
    const char *path; /* as it was given */
    bool is_searched; /* in PATH, where it has no slash */
    char *const *env;
};

/* Says what speaks against its being managed, once for each program. Context: any, also a vfork child. Keeps errno. */
void propagate_check(const struct departure *departure);

/* UNIRUN_PROPAGATE=1: what an environment lacks, and the room that one which has it takes; no entries: it lacks
 * nothing.
 */
struct propagation {
    uint32_t settings;
    bool preload;
    size_t entries, text;
};
struct propagation propagate_need(char *const *env);

/* Fills that room, and returns the whole. Nothing else is written: the caller may be a vfork child. */
char *const *propagate_fill(const struct propagation *need, char *const *env, char **full, char *text);

/* Before a fork: what the child will say, it says for this process. Context: as fork(3). */
void propagate_before_fork(void);

/* What children could not say, this process says. Context: as fork(3), exit(3) and exec(3). */
void propagate_totals(void);

/* Once, at the start of managed mode. */
void propagate_start(char *const *env);

#endif
