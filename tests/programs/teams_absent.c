/* A program that uses a runtime for teams if there is one, and has none. */
#include <dlfcn.h>
#include <stdio.h>

extern void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned) __attribute__((weak));
extern unsigned GOMP_parallel_reductions(void (*)(void *), void *, unsigned, unsigned) __attribute__((weak));
extern void GOMP_parallel_start(void (*)(void *), void *, unsigned) __attribute__((weak));
extern void GOMP_parallel_end(void) __attribute__((weak));
extern int omp_get_num_threads(void) __attribute__((weak));

static void add(void *data)
{
    ++*(int *)data;
}

int main(void)
{
    int sum = 0;
    unsigned size = 1;
    if (GOMP_parallel)
        GOMP_parallel(add, &sum, 4, 0);
    else
        add(&sum);
    if (GOMP_parallel_reductions)
        size = GOMP_parallel_reductions(add, &sum, 4, 0);
    else
        add(&sum);
    if (GOMP_parallel_start)
        GOMP_parallel_start(add, &sum, 4);
    add(&sum);
    if (GOMP_parallel_end)
        GOMP_parallel_end();
    printf("ran %d times, size %u\n", sum, size);
    printf("a runtime: %d %d\n", omp_get_num_threads != NULL, dlsym(RTLD_DEFAULT, "omp_get_num_threads") != NULL);
    return 0;
}
