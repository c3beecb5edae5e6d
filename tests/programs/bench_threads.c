/* Creates and joins threads that do nothing, BATCH at a time, and prints the nanoseconds per thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *nothing(void *arg)
{
    return arg;
}

static void run_batch(pthread_t *threads, int batch)
{
    for (int i = 0; i < batch; i++)
        if (pthread_create(&threads[i], NULL, nothing, NULL))
            abort();
    for (int i = 0; i < batch; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    int batch = argc > 1 ? atoi(argv[1]) : 1, total = argc > 2 ? atoi(argv[2]) : 20000;
    pthread_t *threads = calloc((size_t)batch, sizeof *threads);
    struct timespec from, to;
    run_batch(threads, batch);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int done = 0; done < total; done += batch)
        run_batch(threads, batch);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.1f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / total);
    return 0;
}
