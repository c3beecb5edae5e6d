/* A library with regions of its own; teams_host.c opens several of them. */
#include <omp.h>

void plugin_set(int threads);
int plugin_size(void);
int plugin_alone(void);
int plugin_each(int (*inner)(void));

void plugin_set(int threads)
{
    omp_set_num_threads(threads);
}

/* The size of a team of as many threads as were set. */
int plugin_size(void)
{
    int size = 0;
#pragma omp parallel
#pragma omp single
    size = omp_get_num_threads();
    return size;
}

/* A region that starts no thread. */
int plugin_alone(void)
{
    int size = 0;
#pragma omp parallel num_threads(1)
    size = omp_get_num_threads() + 10 * (omp_get_max_threads() != 1);
    return size;
}

/* What two members of a team get from `inner`, added up. */
int plugin_each(int (*inner)(void))
{
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    sum += inner();
    return sum;
}
