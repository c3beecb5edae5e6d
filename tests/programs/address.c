/* Takes the address of pthread_create. Built without PIE, the executable then has a stub of that name. */
#include <pthread.h>
#include <stdio.h>

int (*volatile create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = pthread_create;

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    pthread_t thread;
    int error = create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
    printf("%d\n", error);
    return error;
}
