/* Says how many regions the domain's table takes this process to be in, when it is in none: teams_count TABLE CASE.
 *
 *   exec     execve has failed in one thread while another was in a region
 *   old      regions of the interface before gcc 4.9 were inside each other
 *   threads  several threads had regions at the same time */
#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void region(int waits)
{
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    {
        if (waits && omp_get_thread_num() == 0) {
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);
        }
        sum++;
    }
}

static void *other(void *arg)
{
    region(1);
    return arg;
}

/* Reads what the domain's table says of this process. */
static unsigned inside(const char *path)
{
    unsigned char row[384];
    uint32_t count = 77;
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 4096, SEEK_SET))
        return 99;
    while (fread(row, 1, sizeof row, file) == sizeof row)
        if (*(uint32_t *)row == (uint32_t)getpid())
            count = *(uint32_t *)(row + 64);
    fclose(file);
    return count;
}

static void exec_fails(void)
{
    char *nothing[] = {NULL};
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, other, NULL);
    pthread_barrier_wait(&barrier);
    execve("/nonexistent", nothing, nothing);
    region(0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    region(0);
}

extern void GOMP_parallel_start(void (*)(void *), void *, unsigned);
extern void GOMP_parallel_end(void);

static void nothing(void *data)
{
    (void)data;
}

static void nest(void *data)
{
    GOMP_parallel_start(nothing, data, 2);
    GOMP_parallel_end();
}

static void old(void)
{
    for (int i = 0; i < 3; i++) {
        GOMP_parallel_start(nest, NULL, 2);
        nest(NULL);
        GOMP_parallel_end();
    }
}

static void *many(void *arg)
{
    for (int i = 0; i < 50; i++)
        region(0);
    return arg;
}

static void threads(void)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, many, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (strcmp(argv[2], "exec") == 0)
        exec_fails();
    else if (strcmp(argv[2], "old") == 0)
        old();
    else
        threads();
    printf("regions: %u\n", inside(argv[1]));
    return 0;
}
