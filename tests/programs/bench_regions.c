/* Subject of tools/bench: many parallel regions with next to nothing in them. bench_regions REGIONS [THREADS] */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long regions = argc > 1 ? atol(argv[1]) : 0;
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    double sum = 0;
    for (long i = 0; i < regions; i++) {
        if (threads) {
#pragma omp parallel num_threads(threads) reduction(+ : sum)
            sum += 1;
        } else {
#pragma omp parallel reduction(+ : sum)
            sum += 1;
        }
    }
    return sum < (double)regions;
}
