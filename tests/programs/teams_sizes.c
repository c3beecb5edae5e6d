/* teams_sizes REGIONS [FILE]: the sizes of so many teams without a num_threads clause, and of one with; then, with
 * FILE, one region more, which makes FILE and lasts until FILE is gone. */
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int size_now(void)
{
    int size = 0;
#pragma omp parallel
#pragma omp single
    size = omp_get_num_threads();
    return size;
}

static int size_asked(void)
{
    int size = 0;
#pragma omp parallel num_threads(2)
#pragma omp single
    size = omp_get_num_threads();
    return size;
}

static void stay(const char *file)
{
#pragma omp parallel
#pragma omp master
    {
        close(open(file, O_WRONLY | O_CREAT, 0600));
        while (access(file, F_OK) == 0)
            ; /* a team that sleeps lends its turn */
    }
}

int main(int argc, char **argv)
{
    int least = 1 << 20, most = 0;
    for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
        int size = size_now();
        least = size < least ? size : least;
        most = size > most ? size : most;
    }
    if (most)
        printf("told %d, from %d to %d, asked for 2: %d\n", omp_get_max_threads(), least, most, size_asked());
    if (argc > 2)
        stay(argv[2]);
    return 0;
}
