#include "shim/process/fork.h"

#include <pthread.h>
#include <stdbool.h>

#include "shim/atomic.h"
#include "shim/object.h"
#include "shim/team/runtime.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

void fork_mark(void)
{
    worker_retire_self("it has made a process");
}

void fork_before(void)
{
    fork_mark();
    pool_prefork();   /* what libc will say of ended tasks is what they said */
    object_prefork(); /* nobody holds the loader's lock because of us */
}

void fork_after_in_parent(void)
{
    object_postfork();
}

void fork_after_in_child(void)
{
    object_postfork();
    runtime_postfork_child(); /* the runtimes' threads are gone */
}

void fork_watch(void)
{
    static bool is_watching;
    /* Relaxed: two threads at once register twice, which changes nothing. A child that is forked meanwhile does so. */
    if (load_relaxed(&is_watching))
        return;
    pthread_atfork(fork_before, fork_after_in_parent, fork_after_in_child);
    store_relaxed(&is_watching, true);
}
