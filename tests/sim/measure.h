/* How well a mix ran: what was measured, over what a perfect machine would have done. */
#ifndef UNIRUN_SIM_MEASURE_H
#define UNIRUN_SIM_MEASURE_H

#include "tests/sim/mixes.h"

struct result {
    double work;  /* over ideal: the geometric mean of what each program did over its fair part of what can be done */
    double least; /* the least of those */
    double fairness; /* Jain's index of the same */
    ns p50, p99; /* of a region, from the wish to its end: of the program for which p99 is the worst, in p99 / region */
    ns longest_wait;               /* for a turn, */
    ns longest_turns;              /* and the longest turns of everybody, one after the other */
    double switches;               /* in a second, on each CPU */
    double progress[MIX_PROGRAMS]; /* work over ideal, of each program */
    uint64_t regions[MIX_PROGRAMS];
    uint64_t events;
};

void measure(struct result *result, const struct mix *mix, enum strategy strategy, uint64_t seed);

/* CPU time that each program would have on a perfect machine, to `ideal`: all CPUs that a program has a use for are
 * used, without any cost, and nobody has more than its threads' fair part unless nobody else has a use for that. */
void measure_ideal(const struct mix *mix, double *ideal);

#endif
