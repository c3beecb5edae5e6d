/* A preload that wraps pthread_create: it gives each thread something of its own, and takes it back at the thread's
 * end. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct start {
    void *(*run)(void *);
    void *arg;
};

static int begun, ended;
static __thread char *own;

static void *wrapped(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    own = malloc(16);
    __atomic_add_fetch(&begun, 1, __ATOMIC_RELAXED);
    void *result = start.run(start.arg);
    if (!own)
        puts("what was a thread's own is gone");
    free(own);
    __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = malloc(sizeof *start);
    *start = (struct start){run, arg};
    return next(thread, attr, wrapped, start);
}

__attribute__((destructor)) static void tell(void)
{
    printf("wrapped: %d begun, %d ended\n", begun, ended);
    fflush(stdout);
}
