#include "shim/object.h"

#include <link.h>
#include <pthread.h>
#include <stddef.h>

#include "shim/hot.h"
#include "shim/libc.h"
#include "shim/lock.h"
#include "shim/os.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"

HOT static int (*find_object)(void *address, struct dl_find_object *result);

bool object_find(const void *address, struct object *object)
{
    struct dl_find_object found;
    if (!find_object || find_object((void *)address, &found) != 0)
        return false;
    object->map = found.dlfo_link_map;
    object->name = found.dlfo_link_map->l_name;
    object->base = found.dlfo_link_map->l_addr;
    return true;
}

/* ---- all of them ---- */

/* dl_iterate_phdr holds a lock that fork does not make free in the child (it does so for the loader's others). So no
 * fork may happen while we are inside: every walk holds `walking`, and fork waits for it. In wiped memory: free in a
 * child. */
static union {
    struct {
        lock_word walking;
        bool is_prepared;
    };
    char page[OS_PAGE];
} wiped __attribute__((aligned(OS_PAGE)));

/* Here, or in a process that this one was forked from, a second thread was made. */
HOT static bool had_threads;

enum { PATIENCE_NS = 100 * 1000 * 1000 };
static pthread_t forking; /* the thread that holds `walking` because it forks; 0: none */

void object_prefork(void)
{
    /* Bounded: a program that forks inside its own dl_iterate_phdr callback holds the loader's lock, and a worker may
     * wait for that, holding ours. The child is then the one that has the loader's lock, and all is well. */
    if (lock_within(&wiped.walking, PATIENCE_NS))
        forking = pthread_self();
}

void object_postfork(void)
{
    if (forking != pthread_self())
        return;
    forking = 0;
    unlock(&wiped.walking); /* in the child it is free already, and stays so */
}

bool object_can_walk(void)
{
    /* Relaxed: both are set before the thread exists that could see it otherwise. */
    return !load_relaxed(&had_threads) || load_relaxed(&wiped.is_prepared);
}

void object_prepare(void)
{
    if (load_relaxed(&wiped.is_prepared) || !object_can_walk())
        return;
    /* Not at start-up: most programs make no thread, and before that every child finds the lock free anyway. */
    bool is_wiped = os_wipe_in_children(&wiped, sizeof wiped) == 0;
    store_relaxed(&wiped.is_prepared, is_wiped);
    store_relaxed(&had_threads, true);
}

void object_walk(int (*visit)(struct dl_phdr_info *, size_t, void *), void *arg, bool is_awaited)
{
    /* At the start of managed mode nobody else is here, and the page is not touched. */
    bool is_alone = settings.mode == MODE_MANAGED && !load_relaxed(&had_threads);
    bool is_locked = !is_alone && lock_within(&wiped.walking, is_awaited ? PATIENCE_NS : INT64_MAX / 2);
    if (settings.mode == MODE_MANAGED && object_can_walk())
        libc.dl_iterate_phdr(visit, arg);
    else
        visit(NULL, 0, arg);
    if (is_locked)
        unlock(&wiped.walking);
}

void object_start(void)
{
    find_object = (__typeof__(find_object))lookup_next("_dl_find_object");
}
