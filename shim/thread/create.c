/* Thread creation in managed mode. */
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

int managed_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    may_manage(REQUEST_THREAD, SYMBOL_pthread_create, CALLER);
    return real.pthread_create(thread, attr, run, arg);
}

int managed_thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
    may_manage(REQUEST_THREAD, SYMBOL_thrd_create, CALLER);
    return real.thrd_create(thread, run, arg);
}
