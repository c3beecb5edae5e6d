/* Atomic accesses with the order in the name, on plain objects of up to a machine word. */
#ifndef UNIRUN_SHIM_ATOMIC_H
#define UNIRUN_SHIM_ATOMIC_H

#include <stdbool.h>

#define load_relaxed(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define add_relaxed(p, v) __atomic_add_fetch(p, v, __ATOMIC_RELAXED)

/* If *p is `expected`, makes it `desired`; whether it did. Acquire on success, nothing on failure. */
#define cas_acquire(p, expected, desired)                                                                              \
    ({                                                                                                                 \
        __typeof__(*(p)) expected_ = (expected);                                                                       \
        __atomic_compare_exchange_n(p, &expected_, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);                \
    })

/* If *p is *expected, makes it `desired`; whether it did. Otherwise *expected becomes what *p is. */
#define cas_seq_cst(p, expected, desired)                                                                              \
    __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)

#endif
