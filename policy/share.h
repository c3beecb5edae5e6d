/* Who may run: gangs that take turns on the CPUs of a domain.
 *
 * A gang is the threads of a parallel region; they run together or not at all (gang scheduling: Ousterhout, 1982).
 * Every member of the domain computes this from the same table, so nobody has to grant anything. Beginning with the
 * leader, whose turn it is, the members get in the order of the table the CPUs that they want, as long as there are
 * enough left for the whole gang; a smaller one further on may fill what a larger one leaves. A member is passed over
 * at most once in each place of the order before it leads itself, and the leader always runs: no starvation.
 *
 * Pure: no system call, allocation, clock or global. The table may be shared memory that others write meanwhile, or
 * that somebody has filled with garbage: each value is read once, and any value gives an answer. */
#ifndef UNIRUN_POLICY_SHARE_H
#define UNIRUN_POLICY_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARE_CPUS = 1024, SHARE_WORDS = SHARE_CPUS / 64 };

/* What a member wants. All zero: nothing. */
struct share_want {
    uint64_t cpus[SHARE_WORDS]; /* the affinity mask, CPU 0 in the lowest bit of the first word */
    uint32_t demand;            /* CPUs that its gang needs; more than the mask has means all of them */
    uint32_t wish;              /* CPUs that it can use; no more than demand: its size is fixed */
};

/* `count` members; the first one's want is at `first`, each other one `stride` bytes after the one before. */
struct share_table {
    const volatile struct share_want *first;
    size_t stride;
    unsigned count;
};

struct share_verdict {
    bool runs;      /* `me` may run now */
    bool contended; /* somebody who wants to run may not */
    unsigned next;  /* who leads next: the first after the leader who may not run now; if !contended, the leader */
};

/* What the table says to the member `me`, while `leader` has the turn. A leader out of range counts as the first.
 * `runs`, if it is not NULL, gets for each member whether it may run. */
struct share_verdict share_decide(const struct share_table *table, unsigned leader, unsigned me, bool *runs);

/* How many CPUs `me` may use if it runs: what it needs, and its part of what nobody needs. That is dealt out one by
 * one, in the order of the table from the leader on, to those who run and can use more. (Equipartition, as in process
 * control: Tucker and Gupta, 1989.) At least 1. */
unsigned share_size(const struct share_table *table, unsigned leader, unsigned me);

#endif
