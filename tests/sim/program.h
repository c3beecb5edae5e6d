/* Programs: a team of threads that runs one region after another, with gaps between them, as libgomp does it.
 *
 * The first thread gives the team its work, wakes those that sleep, and computes its part; who comes to the barrier
 * early spins there, and blocks after a while; the last one wakes those that do. Between two regions the others wait in
 * the same way. How long a wait spins is what the strategies differ in. */
#ifndef UNIRUN_SIM_PROGRAM_H
#define UNIRUN_SIM_PROGRAM_H

#include "policy/turn.h"
#include "tests/sim/machine.h"

enum strategy {
    STRATEGY_PLAIN,  /* libgomp as it comes: waits spin for milliseconds */
    STRATEGY_TURNS,  /* all take turns wherever they do not fit: gang scheduling */
    STRATEGY_SHORT,  /* all waits are short, always */
    STRATEGY_ONE,    /* one thread each: the same work, no team */
    STRATEGY_POLICY, /* what turn_decide() says */
    STRATEGIES
};

/* How long something takes: always the same, exponential, or heavy-tailed (Pareto, alpha 1.5, up to 100 times the
 * mean). */
enum spread { CONSTANT, EXPONENTIAL, HEAVY };

struct length {
    enum spread spread;
    ns mean;
};

/* What a program is. */
struct kind {
    unsigned size;
    uint64_t cpus[MACHINE_WORDS];
    int niceness;
    enum turn_waits waits;
    struct length region, gap;
    bool gap_sleeps;  /* or computes, on one thread */
    double imbalance; /* of the parts of a region: this much more or less than their mean */
    ns arrives, dies; /* 0: it does not */
    unsigned stream;  /* its random numbers */
    bool is_load;     /* computes all the time on one thread, and is not managed */
};

enum phase { PHASE_GAP, PHASE_SLEEP, PHASE_TURN, PHASE_FORK, PHASE_WORK, PHASE_BARRIER, PHASE_RELEASE, PHASE_DOCK };

struct mate {
    struct thread thread; /* first: the machine knows this */
    enum phase phase;
    bool released; /* from the barrier */
    ns pending;    /* its part of the next region; 0: none yet */
    unsigned next; /* the first of the others that may still have to be woken */
};

/* How long regions took, from the wish to the end: counted by quarters of powers of two. */
enum { LATENCIES = 160 };

struct program {
    struct kind kind;
    unsigned index, size;
    bool is_alive, was_there;
    struct mate *mate;
    uint64_t dice, uneven; /* random numbers: of lengths, and of imbalance */
    unsigned arrived;
    ns region, gap; /* lengths of the one at hand */
    ns wished, began, ended;
    uint64_t regions;
    double work; /* CPU time that a perfect machine would have needed for what it did */
    uint64_t latency[LATENCIES];
    ns longest_wait; /* for a turn */
    ns longest_region;

    /* Its side of the protocol. */
    bool spins;
    bool is_member, is_in_region, is_in_ring, is_waiting, is_running, is_contended;
    bool is_last; /* this region is the last one of its turn */
    bool samples;
    uint64_t epoch;
    ns looked, charged, window, delayed;
    struct turn_samples regions_seen, gaps_seen;
    struct turn_crowd crowd;
    unsigned turns, turns_then; /* that it has had, and when its delays were last read */
};

/* What a region of no work costs a team that spins. */
enum { COST_REGION = 600 };

struct domain;

struct world {
    struct machine machine; /* first: its handlers get this */
    enum strategy strategy;
    struct domain *domain;
    struct program *program;
    unsigned programs;
    ns quantum;
};

void world_run(struct world *world, const struct kind *kinds, unsigned programs, unsigned cpus, enum strategy strategy,
               uint64_t seed, ns time);
void world_end(struct world *world);

/* The time below which `part` of the program's regions took. */
ns program_latency(const struct program *program, double part);

/* The CPUs that it may use. */
unsigned program_cpus(const struct kind *kind);

/* CPU time that a region needs, and the time until the next one begins, alone. */
double program_cycle_work(const struct kind *kind);
double program_cycle(const struct kind *kind);

#endif
