#include "policy/share.h"

struct machine {
    uint64_t taken[SHARE_WORDS];
};

static unsigned bits(uint64_t word)
{
    unsigned count = 0;
    for (; word; word &= word - 1)
        count++;
    return count;
}

/* Takes `left` CPUs of those in `open`, the lowest first. */
static void mark(struct machine *machine, const uint64_t *open, unsigned left)
{
    for (unsigned i = 0; i < SHARE_WORDS && left; i++)
        for (uint64_t word = open[i]; word && left; word &= word - 1, left--)
            machine->taken[i] |= word & -word;
}

/* Gives the whole gang its CPUs, if there are enough left in its mask. */
static bool place(struct machine *machine, const volatile struct share_want *want, unsigned demand)
{
    uint64_t open[SHARE_WORDS];
    unsigned all = 0, left = 0;
    for (unsigned i = 0; i < SHARE_WORDS; i++) {
        uint64_t mask = want->cpus[i];
        open[i] = mask & ~machine->taken[i];
        all += bits(mask);
        left += bits(open[i]);
    }
    if (demand > all)
        demand = all;
    if (demand > left)
        return false;
    mark(machine, open, demand);
    return true;
}

static const volatile struct share_want *want_of(const struct share_table *table, unsigned member)
{
    return (const volatile struct share_want *)((const volatile char *)table->first + member * table->stride);
}

struct share_verdict share_decide(const struct share_table *table, unsigned leader, unsigned me, bool *runs)
{
    struct machine machine = {{0}};
    if (leader >= table->count)
        leader = 0;
    struct share_verdict verdict = {.next = leader};
    for (unsigned step = 0; step < table->count; step++) {
        unsigned member = leader + step < table->count ? leader + step : leader + step - table->count;
        const volatile struct share_want *want = want_of(table, member);
        uint32_t demand = want->demand;
        bool fits = demand && place(&machine, want, demand);
        if (demand && !fits && !verdict.contended) {
            verdict.contended = true;
            verdict.next = member;
        }
        if (member == me)
            verdict.runs = fits;
        if (runs)
            runs[member] = fits;
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
static bool add_one(struct machine *machine, const volatile struct share_want *want)
{
    for (unsigned i = 0; i < SHARE_WORDS; i++) {
        uint64_t open = want->cpus[i] & ~machine->taken[i];
        machine->taken[i] |= open & -open;
        if (open)
            return true;
    }
    return false;
}

unsigned share_size(const struct share_table *table, unsigned leader, unsigned me)
{
    struct machine machine = {{0}};
    unsigned mine = 0, rounds = 1;
    if (leader >= table->count)
        leader = 0;
    /* In the first round everybody gets what it needs, in each further one another CPU. */
    for (unsigned round = 0; round < rounds && round <= SHARE_CPUS; round++) {
        for (unsigned step = 0; step < table->count; step++) {
            unsigned member = leader + step < table->count ? leader + step : leader + step - table->count;
            const volatile struct share_want *want = want_of(table, member);
            uint32_t demand = want->demand, wish = want->wish;
            if (!demand)
                continue;
            bool gets = round ? demand + round <= wish && add_one(&machine, want) : place(&machine, want, demand);
            if (gets && demand + round < wish)
                rounds = round + 2;
            if (gets && member == me)
                mine = round ? mine + 1 : demand;
        }
    }
    unsigned all = me < table->count ? cpus_of(want_of(table, me)) : 0;
    if (all && mine > all)
        mine = all;
    return mine ? mine : 1;
}
