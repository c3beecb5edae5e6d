/* Runtimes that make teams: which copy of one stands behind a call.
 *
 * A program may have none, one that comes late, or several under different names (Python wheels bring their own), each
 * opened so that only its users see it. Natively each call goes to the copy that its caller's object is bound to, so
 * the copy is found from the caller. */
#ifndef UNIRUN_SHIM_TEAM_RUNTIME_H
#define UNIRUN_SHIM_TEAM_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/switchboard/switchboard.h"
#include "shim/team/waits.h"

struct link_map;

/* What of a runtime's own interface we use; NULL where it has it not. */
struct omp {
    int (*get_level)(void);
    int (*get_active_level)(void);
    int (*get_max_threads)(void);
    void (*set_num_threads)(int);
    int (*get_dynamic)(void);
    void (*set_dynamic)(int);
    void (*get_schedule)(int *, int *);
    void (*set_schedule)(int, int);
    int (*get_max_active_levels)(void);
    void (*set_max_active_levels)(int);
    int (*get_default_device)(void);
    void (*set_default_device)(int);
};

struct runtime_copy {
    const struct link_map *object; /* NULL: this record is free */
    uintptr_t base;
    void *entry[RUNTIME_SYMBOLS];
    struct omp omp;
    bool is_libomp; /* it exports libgomp's entry points, too */
    struct waits waits;
    /* Its thread-local data, where they are at a constant distance from a thread's id; size 0: they are not. */
    size_t tls_module, tls_filled, tls_size;
    const void *tls_image;
    ptrdiff_t tls_distance;
    bool tls_is_known; /* the distance */
};

/* The copy behind calls from the code at `caller`; NULL: there is none, or too many. Context: any thread, under no
 * lock; the first call from a place takes the loader's lock. */
struct runtime_copy *runtime_behind(const void *caller);

/* A copy's entry point; where it has none, or there is no copy, a stand-in that runs the region on the calling thread.
 */
void *runtime_function(const struct runtime_copy *runtime, enum symbol symbol);

/* Where a call from the code at `caller` goes without us; *is_for_good: and any other call, as long as the program
 * runs. */
void *runtime_entry(enum symbol symbol, const void *caller, bool *is_for_good);

/* In a fork child: what the calling thread's copies of runtimes believe to be their threads are gone. They are made to
 * look like before the first region, so that the next one starts a new team. */
void runtime_postfork_child(void);

#endif
