/* libc's functions that only managed mode uses. They are looked up when it starts, so that the loader need not bind
 * them in every process that is merely passed through: each name costs it as much as a hundred lines of ours. */
#ifndef UNIRUN_SHIM_LIBC_H
#define UNIRUN_SHIM_LIBC_H

#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define LIBC_FUNCTIONS(X)                                                                                              \
    X(clock_gettime)                                                                                                   \
    X(dl_iterate_phdr)                                                                                                 \
    X(dlerror)                                                                                                         \
    X(getrlimit)                                                                                                       \
    X(kill)                                                                                                            \
    X(sched_getaffinity)                                                                                               \
    X(mmap)                                                                                                            \
    X(munmap)                                                                                                          \
    X(pthread_attr_destroy)                                                                                            \
    X(pthread_attr_getaffinity_np)                                                                                     \
    X(pthread_attr_getdetachstate)                                                                                     \
    X(pthread_attr_getguardsize)                                                                                       \
    X(pthread_attr_getinheritsched)                                                                                    \
    X(pthread_attr_getsigmask_np)                                                                                      \
    X(pthread_attr_getstack)                                                                                           \
    X(pthread_attr_getstacksize)                                                                                       \
    X(pthread_attr_init)                                                                                               \
    X(pthread_attr_setdetachstate)                                                                                     \
    X(pthread_getspecific)                                                                                             \
    X(pthread_setcanceltype)                                                                                           \
    X(pthread_setspecific)                                                                                             \
    X(sched_getcpu)                                                                                                    \
    X(sched_yield)                                                                                                     \
    X(sem_clockwait)                                                                                                   \
    X(sem_init)                                                                                                        \
    X(sem_post)                                                                                                        \
    X(sem_wait)                                                                                                        \
    X(sigaction)                                                                                                       \
    X(uselocale)

struct libc {
#define LIBC_FIELD(name) __typeof__(name) *name;
    LIBC_FUNCTIONS(LIBC_FIELD)
#undef LIBC_FIELD
};
extern struct libc libc __attribute__((visibility("hidden")));

/* Once, at the start of managed mode. */
void libc_start(void);

#endif
