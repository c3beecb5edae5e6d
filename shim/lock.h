/* A mutex for a few instructions at a time: one word, zero when free (as in a fork child that finds it wiped).
 *
 *   0 free    1 held    2 held, and somebody may sleep on it
 *
 * Never held over a call into the program, so a wait is short; and no two at a time, so there is no order. */
#ifndef UNIRUN_SHIM_LOCK_H
#define UNIRUN_SHIM_LOCK_H

#include "shim/atomic.h"
#include "shim/os.h"

typedef uint32_t lock_word;

static inline bool lock_try(lock_word *lock)
{
    return cas_acquire(lock, 0, 1);
}

/* As lock_wait() without limit. */
static inline void lock(lock_word *lock)
{
    if (lock_try(lock))
        return;
    /* Acquire: pairs with the release in unlock(). */
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE))
        os_wait(lock, 2, -1);
}

/* Takes the lock within `timeout_ns`; whether it did. */
static inline bool lock_within(lock_word *lock, int64_t timeout_ns)
{
    if (lock_try(lock))
        return true;
    int64_t end = os_now() + timeout_ns, left = timeout_ns;
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE)) {
        os_wait(lock, 2, left);
        left = end - os_now();
        if (left <= 0)
            return lock_try(lock);
    }
    return true;
}

static inline void unlock(lock_word *lock)
{
    if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
        os_wake(lock, 1);
}

#endif
