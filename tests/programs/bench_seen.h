/* What the subjects of tools/bench see of their own regions: how many there were, and how long they took.
 *
 * Each prints, when it has ended: REGIONS LONGEST, in nanoseconds; where it kept them all, MEDIAN and P99 follow. */
#ifndef BENCH_SEEN_H
#define BENCH_SEEN_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct seen {
    long regions, kept, room;
    double longest, *all; /* nanoseconds; `all` is NULL where they are not kept */
};

static inline double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* One more region, which began at `begun`; the time now, when the next one may begin. */
static inline double saw(struct seen *seen, double begun)
{
    double now = nanoseconds(), taken = now - begun;
    seen->regions++;
    if (taken > seen->longest)
        seen->longest = taken;
    if (seen->kept < seen->room)
        seen->all[seen->kept++] = taken;
    return now;
}

/* From now on the first `room` of them are kept. */
static inline void keep(struct seen *seen, long room)
{
    seen->all = calloc((size_t)room, sizeof *seen->all);
    if (!seen->all)
        abort();
    seen->room = room;
}

static inline int shorter(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static inline void report(struct seen *seen)
{
    printf("%ld %.0f", seen->regions, seen->longest);
    if (seen->kept) {
        qsort(seen->all, (size_t)seen->kept, sizeof *seen->all, shorter);
        printf(" %.0f %.0f", seen->all[seen->kept / 2], seen->all[seen->kept * 99 / 100]);
    }
    putchar('\n');
}

#endif
