#include "shim/domain/recognise.h"

#include <stddef.h>

#include "shim/atomic.h"
#include "shim/switchboard/lookup.h"

/* ---- what an object exports ---- */

/* libomp first: it exports libgomp's names too. Tracing tools export the entry points of OpenMP in front of a runtime,
 * as we do, but not its functions: hence the second name. The last ones are OpenBLAS as wheels rename it. */
static enum runtime recognise(const struct object *object)
{
    static const struct {
        const char *name, *also;
        enum runtime runtime;
    } marks[] = {
        {"__kmpc_fork_call", "kmp_set_defaults", RUNTIME_LIBOMP},
        {"GOMP_parallel", "omp_get_num_procs", RUNTIME_LIBGOMP},
        {"openblas_get_num_threads", "openblas_set_num_threads", RUNTIME_OPENBLAS},
        {"openblas_get_num_threads64_", "openblas_set_num_threads64_", RUNTIME_OPENBLAS},
        {"scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads", RUNTIME_OPENBLAS},
        {"scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_", RUNTIME_OPENBLAS},
    };
    if (object_has_note(object, "Go")) /* the linker's: what Go code exports is a build's own choice */
        return RUNTIME_GO;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (lookup_in(object->map, marks[i].name) && lookup_in(object->map, marks[i].also))
            return marks[i].runtime;
    return RUNTIME_NONE;
}

/* ---- objects that have asked ---- */

/* slot   0, then for good: the object's base, which has zeroes where KNOWN, the runtime and, later, STARTED stand
 *        KNOWN by whoever finds it empty (CAS); STARTED by whoever starts it (fetch-or: one of them sees it unset)
 * Relaxed: a slot is all there is to read, and whoever recognises an object finds the same. */
enum { SLOTS = 128, KNOWN = 1, RUNTIME_SHIFT = 1, RUNTIME_MASK = 14, STARTED = 16, FLAGS = 31 };
static uintptr_t slots[SLOTS];

/* The object's slot, or the empty one where it belongs; NULL: there is none left. */
static uintptr_t *slot_of(const struct object *object)
{
    size_t first = object->base >> 12;
    for (size_t i = 0; i < SLOTS; i++) {
        uintptr_t *slot = &slots[(first + i) % SLOTS], held = load_relaxed(slot);
        if (!held || (held & ~(uintptr_t)FLAGS) == object->base)
            return slot;
    }
    return NULL;
}

static uintptr_t describe(const struct object *object)
{
    return object->base | KNOWN | (uintptr_t)recognise(object) << RUNTIME_SHIFT;
}

enum runtime runtime_of(const void *address, struct object *object)
{
    if (!object_find(address, object) || object->base & FLAGS)
        return RUNTIME_NONE;
    for (;;) {
        uintptr_t *slot = slot_of(object), held = slot ? load_relaxed(slot) : 0;
        if (!slot)
            return RUNTIME_NONE;
        if (held)
            return (held & RUNTIME_MASK) >> RUNTIME_SHIFT;
        cas_acquire(slot, 0, describe(object)); /* of two objects one gets it, and the other looks again */
    }
}

bool runtime_is_starting(const struct object *object)
{
    uintptr_t *slot = slot_of(object);
    return slot && !(__atomic_fetch_or(slot, STARTED, __ATOMIC_RELAXED) & STARTED);
}
