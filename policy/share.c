#include "policy/share.h"

static unsigned bits(uint64_t word)
{
    unsigned count = 0;
    for (; word; word &= word - 1)
        count++;
    return count;
}

/* Takes `left` CPUs of those in `open`, the lowest first. */
static void mark(struct share_cpus *taken, const uint64_t *open, unsigned left)
{
    for (unsigned i = 0; i < SHARE_WORDS && left; i++)
        for (uint64_t word = open[i]; word && left; word &= word - 1, left--)
            taken->word[i] |= word & -word;
}

bool share_place(struct share_cpus *taken, const volatile struct share_want *want)
{
    uint64_t open[SHARE_WORDS];
    uint32_t demand = want->demand;
    unsigned all = 0, left = 0;
    for (unsigned i = 0; i < SHARE_WORDS; i++) {
        uint64_t mask = want->cpus[i];
        open[i] = mask & ~taken->word[i];
        all += bits(mask);
        left += bits(open[i]);
    }
    if (demand > all)
        demand = all;
    if (demand > left)
        return false;
    mark(taken, open, demand);
    return true;
}

/* ---- members ---- */

unsigned share_next(const struct share_set *set, unsigned from)
{
    for (unsigned word = from / 64; word < SHARE_MEMBERS / 64; word++) {
        uint64_t left = set->word[word];
        if (word == from / 64)
            left &= ~UINT64_C(0) << from % 64;
        if (left)
            return word * 64 + (unsigned)__builtin_ctzll(left);
    }
    return SHARE_MEMBERS;
}

/* The first member from `from` on, in a circle; SHARE_MEMBERS: the set is empty. */
static unsigned first_in_circle(const struct share_set *set, unsigned from)
{
    unsigned member = share_next(set, from);
    return member < SHARE_MEMBERS ? member : share_next(set, 0);
}

static unsigned after(const struct share_set *set, unsigned member)
{
    return first_in_circle(set, member + 1);
}

static const volatile struct share_want *want_of(const struct share_table *table, unsigned member)
{
    return (const volatile struct share_want *)((const volatile char *)table->first + member * table->stride);
}

struct share_verdict share_decide(const struct share_table *table, unsigned leader, struct share_set *runs)
{
    struct share_cpus taken = {{0}};
    unsigned first = first_in_circle(table->members, leader < SHARE_MEMBERS ? leader : 0);
    struct share_verdict verdict = {.leader = first, .next = first};
    if (runs)
        *runs = (struct share_set){{0}};
    for (unsigned member = first; member < SHARE_MEMBERS;) {
        const volatile struct share_want *want = want_of(table, member);
        bool wants = want->demand, fits = wants && share_place(&taken, want);
        if (wants && !fits && !verdict.contended) {
            verdict.contended = true;
            verdict.next = member;
        }
        if (fits && runs)
            share_add(runs, member);
        member = after(table->members, member);
        if (member == first)
            break;
    }
    return verdict;
}

/* ---- the size of a gang that can be given more than it needs ---- */

static unsigned cpus_of(const volatile struct share_want *want)
{
    unsigned all = 0;
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        all += bits(want->cpus[i]);
    return all;
}

/* One more CPU, if there is one in its mask. */
static bool add_one(struct share_cpus *taken, const volatile struct share_want *want)
{
    for (unsigned i = 0; i < SHARE_WORDS; i++) {
        uint64_t open = want->cpus[i] & ~taken->word[i];
        taken->word[i] |= open & -open;
        if (open)
            return true;
    }
    return false;
}

unsigned share_size(const struct share_table *table, unsigned leader, unsigned me)
{
    struct share_cpus taken = {{0}};
    unsigned mine = 0, rounds = 1, first = first_in_circle(table->members, leader < SHARE_MEMBERS ? leader : 0);
    /* In the first round everybody gets what it needs, in each further one another CPU. */
    for (unsigned round = 0; first < SHARE_MEMBERS && round < rounds && round <= SHARE_CPUS; round++) {
        unsigned member = first;
        do {
            const volatile struct share_want *want = want_of(table, member);
            uint32_t demand = want->demand, wish = want->wish;
            bool gets = false;
            if (demand)
                gets = round ? demand + round <= wish && add_one(&taken, want) : share_place(&taken, want);
            if (gets && demand + round < wish)
                rounds = round + 2;
            if (gets && member == me)
                mine = round ? mine + 1 : demand;
            member = after(table->members, member);
        } while (member != first);
    }
    unsigned all = share_has(table->members, me) ? cpus_of(want_of(table, me)) : 0;
    if (all && mine > all)
        mine = all;
    return mine ? mine : 1;
}
