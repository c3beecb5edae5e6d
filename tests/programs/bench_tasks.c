/* Subject of tools/bench: regions whose threads have tasks, or are cancelled. Prints what it saw (bench_seen.h).
 *
 *   bench_tasks tasks REGIONS     each counts the leaves of a tree, with a task for each branch
 *   bench_tasks cancel REGIONS    each looks for a number and cancels the others; OMP_CANCELLATION=true */
#include "bench_seen.h"
#include <string.h>

enum { DEPTH = 12, NUMBERS = 20000, WANTED = 12345 };

/* Some arithmetic with a known result. */
static int is_wanted(int number)
{
    double x = number;
    for (int i = 0; i < 20; i++)
        x = x * 0.5 + number * 0.5;
    return (int)(x + 0.5) == WANTED;
}

static long leaves(int depth)
{
    long left = 0, right = 0;
    if (!depth)
        return is_wanted(WANTED);
#pragma omp task shared(left)
    left = leaves(depth - 1);
#pragma omp task shared(right)
    right = leaves(depth - 1);
#pragma omp taskwait
    return left + right;
}

static int with_tasks(void)
{
    long found = 0;
#pragma omp parallel
#pragma omp single
    found = leaves(DEPTH);
    return found == 1 << DEPTH;
}

static int with_cancellation(void)
{
    int found = -1;
#pragma omp parallel
#pragma omp for schedule(dynamic, 64)
    for (int number = 0; number < NUMBERS; number++) {
#pragma omp cancellation point for
        if (is_wanted(number)) {
#pragma omp atomic write
            found = number;
#pragma omp cancel for
        }
    }
    return found == WANTED;
}

int main(int argc, char **argv)
{
    int (*region)(void) = argc > 1 && strcmp(argv[1], "cancel") == 0 ? with_cancellation : with_tasks;
    long regions = argc > 2 ? atol(argv[2]) : 100;
    struct seen seen = {0};
    for (double begun = nanoseconds(); seen.regions < regions; begun = saw(&seen, begun))
        if (!region())
            return 1;
    report(&seen);
    return 0;
}
