/* Says how many CPUs OpenMP and libc tell it of, and which CPUs its threads have. The argument `set` chooses a team of
 * two first. */
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static int own_cpus(void)
{
    cpu_set_t set, same;
    if (sched_getaffinity(0, sizeof set, &set) || pthread_getaffinity_np(pthread_self(), sizeof same, &same))
        return -1;
    return CPU_EQUAL(&set, &same) ? CPU_COUNT(&set) : -2;
}

static int team(void)
{
    int threads = 0;
#pragma omp parallel reduction(+ : threads)
    threads++;
    return threads;
}

/* The least that any of two threads has. */
static int least_cpus_of_two(void)
{
    int cpus = CPU_SETSIZE;
#pragma omp parallel num_threads(2) reduction(min : cpus)
    cpus = own_cpus();
    return cpus;
}

static void *root(void *arg)
{
    *(int *)arg = team();
    return NULL;
}

static int team_of_another_thread(void)
{
    pthread_t thread;
    int threads = -1;
    if (pthread_create(&thread, NULL, root, &threads) == 0)
        pthread_join(thread, NULL);
    return threads;
}

int main(int argc, char **argv)
{
    int set = argc > 1 && !strcmp(argv[1], "set");
    if (set)
        omp_set_num_threads(2);
    printf("max %d team %d procs %d", omp_get_max_threads(), team(), omp_get_num_procs());
    if (!set)
        printf(" other %d", team_of_another_thread());
    printf(" cpus %d %d", own_cpus(), least_cpus_of_two());
    printf(" online %ld %d configured %ld\n", sysconf(_SC_NPROCESSORS_ONLN), get_nprocs(),
           sysconf(_SC_NPROCESSORS_CONF));
    return 0;
}
