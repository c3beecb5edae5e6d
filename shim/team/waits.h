/* How long the waits of a copy of GNU OpenMP spin before they block, and making them short.
 *
 * libgomp keeps that in two neighbouring counters (libgomp/env.c, wait.h): 300,000 rounds, and 100 for when its own
 * threads exceed the CPUs. That programs together exceed them it cannot know. A wait reads its counter when it begins.
 * What the user has said of waiting (OMP_WAIT_POLICY, GOMP_SPINCOUNT) is never changed. */
#ifndef UNIRUN_SHIM_TEAM_WAITS_H
#define UNIRUN_SHIM_TEAM_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/turn.h"
#include "shim/atomic.h"

enum { WAITS_SHORT = 100 };

struct waits {
    uint64_t *spins; /* the runtime's counter; NULL: it is not ours to change */
    enum turn_waits kind;
};

/* Finds the counters of a copy by their default values: exactly once in its writable data, or not at all. `base` is
 * what is added to the addresses in its file, `file` where that begins in memory. Context: any thread; the object stays
 * loaded meanwhile. */
void waits_find(struct waits *waits, uintptr_t base, const void *file);

/* Makes them short, or as they were. Context: any thread of the program; several may do it at once. */
void waits_tell(struct waits *waits, bool are_short);

static inline void waits_follow(struct waits *waits, bool are_short)
{
    /* By what the counter says itself: several threads may have told it, and the runtime may have been loaded anew. */
    if (waits->spins && __builtin_expect((load_relaxed(waits->spins) == WAITS_SHORT) != are_short, false))
        waits_tell(waits, are_short);
}

#endif
