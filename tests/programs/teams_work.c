/* Regions, one after the other: teams_work ROUNDS THREADS [MICROSECONDS of each [MICROSECONDS between them]]. Prints a
 * sum that does not depend on who computed what. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1000;
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    double length = argc > 3 ? atoi(argv[3]) * 1e-6 : 0;
    unsigned between = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
    unsigned long long sum = 0;
    for (int round = 0; round < rounds; round++) {
#pragma omp parallel num_threads(threads) reduction(+ : sum)
        {
            double end = length > 0 ? seconds() + length : 0;
#pragma omp for
            for (int i = 0; i < 64; i++)
                sum += (unsigned long long)i * (unsigned)round;
            while (length > 0 && seconds() < end)
                ;
        }
        if (between)
            usleep(between);
    }
    printf("%llu\n", sum);
    return 0;
}
