/* Three threads that are all alive at once: each adds its part to a sum, then they meet, and one calls a function that
 * a debugger can stop in. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 3 };

static pthread_barrier_t met;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;

void all_are_here(void);

__attribute__((noinline)) void all_are_here(void)
{
    __asm__ volatile("");
}

static void *add(void *arg)
{
    const long *part = arg;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        sum += *part;
        pthread_mutex_unlock(&lock);
    }
    if (pthread_barrier_wait(&met) == PTHREAD_BARRIER_SERIAL_THREAD)
        all_are_here();
    pthread_barrier_wait(&met);
    return arg;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&met, NULL, THREADS);
    for (long i = 0; i < THREADS; i++) {
        long *part = malloc(sizeof *part);
        *part = i + 1;
        pthread_create(&threads[i], NULL, add, part);
    }
    for (int i = 0; i < THREADS; i++) {
        void *part;
        pthread_join(threads[i], &part);
        free(part);
    }
    pthread_barrier_destroy(&met);
    printf("sum %ld\n", sum);
    return 0;
}
