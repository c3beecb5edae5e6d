/* Which teams fit on the CPUs beside each other, and how large one may be whose size can be chosen.
 *
 * A gang is the threads of a parallel region; they run together or not at all (gang scheduling: Ousterhout, 1982).
 * Every member of the domain computes this from one table, so nobody has to grant anything. Beginning with the leader,
 * the members get in the order of the table the CPUs that they want, as long as there are enough left for the whole
 * gang; a smaller one further on may fill what a larger one leaves. The leader always runs.
 *
 * Pure: no system call, allocation, clock or global. The table may be shared memory that others write meanwhile, or
 * that somebody has filled with garbage: any value gives an answer. Cost: linear in the members that are looked at. */
#ifndef UNIRUN_POLICY_SHARE_H
#define UNIRUN_POLICY_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARE_CPUS = 1024, SHARE_WORDS = SHARE_CPUS / 64, SHARE_MEMBERS = 1024 };

/* What a member wants. All zero: nothing. */
struct share_want {
    uint64_t cpus[SHARE_WORDS]; /* where its team may run, CPU 0 in the lowest bit of the first word */
    uint32_t demand;            /* CPUs that its gang needs; more than the mask has means all of them */
    uint32_t wish;              /* CPUs that it can use; no more than demand: its size is fixed */
};

/* Members, by their place in the table. */
struct share_set {
    uint64_t word[SHARE_MEMBERS / 64];
};

static inline bool share_has(const struct share_set *set, unsigned member)
{
    return member < SHARE_MEMBERS && set->word[member / 64] >> member % 64 & 1;
}

static inline void share_add(struct share_set *set, unsigned member)
{
    set->word[member / 64] |= UINT64_C(1) << member % 64;
}

/* The first member of the set from `from` on; SHARE_MEMBERS: there is none. */
unsigned share_next(const struct share_set *set, unsigned from);

/* The first member's want is at `first`, each other one `stride` bytes after the one before; those in `members` are
 * looked at. */
struct share_table {
    const volatile struct share_want *first;
    size_t stride;
    const struct share_set *members;
};

/* CPUs that were given out, or are meant in some other way. */
struct share_cpus {
    uint64_t word[SHARE_WORDS];
};

/* Gives the whole gang its CPUs out of those that are not in `taken` yet; false: they do not suffice. */
bool share_place(struct share_cpus *taken, const volatile struct share_want *want);

struct share_verdict {
    bool contended;  /* somebody who wants to run may not */
    unsigned leader; /* the first in line: the leader, or where it is no member the first after it */
    unsigned next;   /* the first after that who may not run now; if !contended, the leader */
};

/* What the table says, while `leader` has the turn. `runs`, if it is not NULL, gets who may run. */
struct share_verdict share_decide(const struct share_table *table, unsigned leader, struct share_set *runs);

/* How many CPUs `me` may use if it runs: what it needs, and its part of what nobody needs. That is dealt out one by
 * one, in the order of the table from the leader on, to those who run and can use more. (Equipartition, as in process
 * control: Tucker and Gupta, 1989.) At least 1. */
unsigned share_size(const struct share_table *table, unsigned leader, unsigned me);

#endif
