#include "shim/process/fork.h"

#include <pthread.h>
#include <stdbool.h>

#include "shim/object.h"
#include "shim/process/retry.h"
#include "shim/team/runtime.h"
#include "shim/thread/spin.h"

void fork_before(void)
{
    object_prefork(); /* nobody holds the loader's lock because of us */
}

void fork_after_in_parent(void)
{
    object_postfork();
}

void fork_after_in_child(void)
{
    object_postfork();
    retry_forget();
    spin_forget();            /* those who were on their way into the pool, or span, are gone */
    runtime_postfork_child(); /* and so are the runtimes' threads */
}

void fork_watch(void)
{
    static bool is_watching;
    /* Relaxed: it orders nothing but itself. */
    if (!__atomic_exchange_n(&is_watching, true, __ATOMIC_RELAXED))
        pthread_atfork(fork_before, fork_after_in_parent, fork_after_in_child);
}
