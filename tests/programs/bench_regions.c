/* Subject of tools/bench: many parallel regions, one after the other.
 *
 *   bench_regions REGIONS [THREADS [WORK]]   prints nanoseconds per region
 *   bench_regions until SECONDS              of CLOCK_MONOTONIC; prints how many regions that were
 *
 * THREADS 0: no num_threads clause. WORK is how many steps of arithmetic the team has to do in each region; with it, a
 * line is printed when half of the regions are over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* What a thread of the team does for its part of the work. */
static double compute(int part, long steps)
{
    double x = part;
    for (long i = 0; i < steps; i++)
        x = x * 0.999 + 0.001;
    return x;
}

enum { PARTS = 16 };

static double region(int threads, long work)
{
    double sum = 0;
    if (threads) {
#pragma omp parallel num_threads(threads) reduction(+ : sum)
        sum += 1;
    } else if (work) {
#pragma omp parallel for reduction(+ : sum)
        for (int part = 0; part < PARTS; part++)
            sum += compute(part, work / PARTS);
    } else {
#pragma omp parallel reduction(+ : sum)
        sum += 1;
    }
    return sum;
}

static int count_until(double end)
{
    long regions = 0;
    for (; seconds() < end; regions++)
        region(0, 0);
    printf("%ld\n", regions);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "until") == 0)
        return count_until(atof(argv[2]));
    long regions = argc > 1 ? atol(argv[1]) : 0;
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    long work = argc > 3 ? atol(argv[3]) : 0;
    double sum = 0, begin = seconds();
    for (long i = 0; i < regions; i++) {
        sum += region(threads, work);
        if (work && i == regions / 2) {
            puts("half");
            fflush(stdout);
        }
    }
    printf("%.1f\n", (seconds() - begin) * 1e9 / (double)(regions ? regions : 1));
    return sum < (double)regions;
}
