/* Two threads write one variable, one after the other. What orders them is a lock, or (`race`) something that a race
 * detector does not take for an order: relaxed atomics. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int first_is_done, racy;
static long shared;

static void *first(void *arg)
{
    if (!racy)
        pthread_mutex_lock(&lock);
    shared++;
    __atomic_store_n(&first_is_done, 1, __ATOMIC_RELAXED);
    if (!racy)
        pthread_mutex_unlock(&lock);
    return arg;
}

static void *second(void *arg)
{
    while (!__atomic_load_n(&first_is_done, __ATOMIC_RELAXED))
        sched_yield();
    if (!racy)
        pthread_mutex_lock(&lock);
    shared++;
    if (!racy)
        pthread_mutex_unlock(&lock);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t a, b;
    racy = argc > 1 && strcmp(argv[1], "race") == 0;
    pthread_create(&a, NULL, first, NULL);
    pthread_create(&b, NULL, second, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("shared %ld\n", shared);
    return 0;
}
