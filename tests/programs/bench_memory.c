/* Runs TOTAL short threads, BATCH alive at a time, each of which uses some stack and some heap, and prints the
 * process's resident bytes right after the last join. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { USED = 16 * 1024, PAGE = 4096 };

static pthread_barrier_t all_alive;

static void touch(volatile char *memory)
{
    for (int i = 0; i < USED; i += PAGE)
        memory[i] = 1;
}

static void *use_memory(void *arg)
{
    volatile char on_stack[USED];
    char *on_heap = malloc(USED);
    if (!on_heap)
        abort();
    touch(on_stack);
    touch(on_heap);
    pthread_barrier_wait(&all_alive);
    free(on_heap);
    return arg;
}

static void run_batch(pthread_t *threads, int batch)
{
    for (int i = 0; i < batch; i++)
        if (pthread_create(&threads[i], NULL, use_memory, NULL))
            abort();
    for (int i = 0; i < batch; i++)
        pthread_join(threads[i], NULL);
}

/* Not VmRSS of /proc/self/status, which is off by what each CPU has not yet added to it: hundreds of kilobytes. */
static long resident_kilobytes(void)
{
    char line[128];
    long kilobytes = 0;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    while (rollup && fgets(line, sizeof line, rollup) && sscanf(line, "Rss: %ld", &kilobytes) != 1)
        ;
    return kilobytes;
}

int main(int argc, char **argv)
{
    int batch = argc > 1 ? atoi(argv[1]) : 64, total = argc > 2 ? atoi(argv[2]) : 10000;
    pthread_t *threads = calloc((size_t)batch, sizeof *threads);
    const struct timespec rest = {1, 500000000};
    pthread_barrier_init(&all_alive, NULL, (unsigned)batch);
    for (int done = 0; done < total; done += batch)
        run_batch(threads, batch);
    long busy = resident_kilobytes();
    nanosleep(&rest, NULL);
    printf("%ld %ld\n", busy * 1024, resident_kilobytes() * 1024);
    return 0;
}
