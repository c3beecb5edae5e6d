/* A library that starts threads of its own code, and is closed while their OS threads may live on. */
#include <pthread.h>
#include <stdlib.h>

static __thread char block[5000] = "image";
static __thread long counter = 999;
static pthread_key_t key;

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso);
extern void *__dso_handle;

static void forget(void *object)
{
    free(object);
}

static void count_down(void *value)
{
    *(long *)value -= 1;
}

__attribute__((constructor)) static void construct(void)
{
    pthread_key_create(&key, count_down);
}

__attribute__((destructor)) static void destruct(void)
{
    pthread_key_delete(key);
}

void *late_task(void *arg);
void *late_task(void *arg)
{
    if (block[0] != 'i' || pthread_getspecific(key))
        return NULL;
    block[0] = 'x';
    counter++;
    pthread_setspecific(key, &counter);
    __cxa_thread_atexit_impl(forget, malloc(10), &__dso_handle);
    return (char *)arg + counter;
}
