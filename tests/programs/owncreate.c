/* A program that defines pthread_create itself, as some statically linked runtimes do. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    puts("own pthread_create");
    return next(thread, attr, start, arg);
}

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}
