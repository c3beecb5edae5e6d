/* Thread-specific keys and thread_local objects in managed mode: their destructors run at the end of each task, so keys
 * must be known, and objects must not come after it. Our own key is taken before the program's first: it may create as
 * many as it can, and its threads before or after that. */
#include "shim/switchboard/switchboard.h"
#include "shim/thread/fresh.h"
#include "shim/thread/worker.h"

static int created(int error, const pthread_key_t *key, void (*destructor)(void *))
{
    if (error == 0)
        fresh_key_created(*key, destructor);
    return error;
}

int managed_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    worker_take_key();
    return created(real.pthread_key_create(key, destructor), key, destructor);
}

int managed___pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    worker_take_key();
    return created(real.__pthread_key_create(key, destructor), key, destructor);
}

int managed_tss_create(tss_t *key, tss_dtor_t destructor)
{
    worker_take_key();
    return created(real.tss_create(key, destructor), key, destructor); /* thrd_success is 0, too */
}

int managed_pthread_key_delete(pthread_key_t key)
{
    /* First, so that the number is not forgotten again after somebody else got it. */
    fresh_key_deleted(key);
    return real.pthread_key_delete(key);
}

void managed_tss_delete(tss_t key)
{
    fresh_key_deleted(key);
    real.tss_delete(key);
}

/* An object that a key's destructor is the first to use: libc has destroyed all others by then, and never destroys this
 * one. Its memory is the next task's, so it must not be destroyed at the end of that one. */
int managed___cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso)
{
    if (slot.worker && slot.worker->traces.objects_are_gone)
        return 0;
    return real.__cxa_thread_atexit_impl(destructor, object, dso);
}
