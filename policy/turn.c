#include "policy/turn.h"

/* What a block costs where the wake-up comes from another CPU. */
enum { WAKE_NS = 13000 };

/* From this length on a wake-up in each region costs less than what turns waste; below the second one, spinning in a
 * crowd loses less than a wake-up in each region would. Measured: tools/bench. */
enum { SHORT_NS = 3 * WAKE_NS, TINY_NS = WAKE_NS / 4 };

enum {
    CROWDED_IN = 10, /* a team gives way from this part of its time on, */
    CROWDED_OUT = 50 /* until it is less than this one */
};

static const volatile struct turn_want *want_of(const struct turn_table *table, unsigned member)
{
    return (const volatile struct turn_want *)((const volatile char *)table->first + member * table->stride);
}

/* ---- CPUs ---- */

static void add_cpus(struct share_cpus *cpus, const volatile struct share_want *want)
{
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        cpus->word[i] |= want->cpus[i];
}

static bool meets(const struct share_cpus *cpus, const volatile struct share_want *want)
{
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        if (cpus->word[i] & want->cpus[i])
            return true;
    return false;
}

/* It has no choice: it needs every CPU of its mask. */
static bool is_confined(const volatile struct share_want *want)
{
    uint32_t demand = want->demand;
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        for (uint64_t word = want->cpus[i]; word; word &= word - 1)
            if (demand-- == 0)
                return false;
    return true;
}

/* ---- what a member is like ---- */

static bool is_tiny(const volatile struct turn_want *want)
{
    uint32_t region = want->region_ns;
    return region && region < TINY_NS && want->gap_ns < WAKE_NS;
}

static bool is_short(const volatile struct turn_want *want)
{
    uint32_t region = want->region_ns;
    return region && region < SHORT_NS && want->gap_ns < WAKE_NS;
}

/* It takes turns even beside members that do not: it would spin there. */
static bool spins_anyway(const volatile struct turn_want *want)
{
    return want->waits == TURN_WAITS_SPIN || (want->waits == TURN_WAITS_TOLD && is_tiny(want));
}

static bool takes_turns(const volatile struct turn_want *want)
{
    return spins_anyway(want) || (want->waits == TURN_WAITS_TOLD && is_short(want));
}

/* ---- who is in whose way ---- */

static struct share_set rivals_of(const struct turn_table *table, unsigned me)
{
    struct share_set rivals = {{0}};
    int niceness = want_of(table, me)->niceness;
    for (unsigned i = share_next(table->members, 0); i < SHARE_MEMBERS; i = share_next(table->members, i + 1)) {
        const volatile struct turn_want *want = want_of(table, i);
        if (want->share.demand && (i == me || want->niceness <= niceness))
            share_add(&rivals, i);
    }
    return rivals;
}

/* The CPUs of those that find no room where everybody runs at once. Those who have no choice come first: another one
 * may be put beside them. */
static struct share_cpus crowded_cpus(const struct turn_table *table, const struct share_set *rivals)
{
    struct share_cpus taken = {{0}}, crowded = {{0}};
    for (int confined = 1; confined >= 0; confined--)
        for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1)) {
            const volatile struct share_want *want = &want_of(table, i)->share;
            if (is_confined(want) == confined && !share_place(&taken, want))
                add_cpus(&crowded, want);
        }
    return crowded;
}

/* The CPUs of those who take no turns with members of this niceness. */
static struct share_cpus others_cpus(const struct turn_table *table, const struct share_set *rivals, int niceness)
{
    struct share_cpus cpus = {{0}};
    for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1)) {
        const volatile struct turn_want *want = want_of(table, i);
        if (want->niceness != niceness || !takes_turns(want))
            add_cpus(&cpus, &want->share);
    }
    return cpus;
}

static bool is_in_ring(const volatile struct turn_want *want, const struct share_cpus *others, int niceness)
{
    return want->niceness == niceness && takes_turns(want) && (spins_anyway(want) || !meets(others, &want->share));
}

static struct share_set ring_of(const struct turn_table *table, const struct share_set *rivals, int niceness)
{
    struct share_cpus others = others_cpus(table, rivals, niceness);
    struct share_set ring = {{0}};
    for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1))
        if (is_in_ring(want_of(table, i), &others, niceness))
            share_add(&ring, i);
    return ring;
}

/* ---- turns ---- */

/* Of those who wait and may not run, the one that has had the least; of equals the first after the leader. */
static unsigned next_of(const struct turn_table *table, const struct share_set *ring, const struct share_set *runs,
                        unsigned leader)
{
    unsigned next = SHARE_MEMBERS;
    uint64_t least = UINT64_MAX;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = share_next(ring, pass ? 0 : leader); i < (pass ? leader : SHARE_MEMBERS);
             i = share_next(ring, i + 1)) {
            uint64_t service = want_of(table, i)->service_us;
            if (!share_has(table->waiting, i) || share_has(runs, i) || (next < SHARE_MEMBERS && service >= least))
                continue;
            least = service;
            next = i;
        }
    return next;
}

static struct turn_verdict take_turns(const struct turn_table *table, unsigned leader, unsigned me,
                                      const struct share_set *ring, struct share_set *runs)
{
    const struct share_table those = {&table->first->share, table->stride, ring};
    struct share_verdict share = share_decide(&those, leader, runs);
    return (struct turn_verdict){
        .way = share_has(runs, me) ? TURN_RUN : TURN_WAIT,
        .contended = true,
        .leader = share.leader,
        .next = next_of(table, ring, runs, share.leader),
    };
}

struct turn_verdict turn_decide(const struct turn_table *table, unsigned leader, unsigned me, bool is_crowded,
                                struct share_set *ring, struct share_set *runs)
{
    struct turn_verdict verdict = {.way = TURN_SPIN, .leader = SHARE_MEMBERS, .next = SHARE_MEMBERS};
    struct share_set ring_, runs_;
    ring = ring ? ring : &ring_;
    runs = runs ? runs : &runs_;
    *ring = *runs = (struct share_set){{0}};
    if (me >= SHARE_MEMBERS)
        return verdict;
    const volatile struct turn_want *mine = want_of(table, me);
    struct share_set rivals = rivals_of(table, me);
    struct share_cpus crowded = crowded_cpus(table, &rivals);
    verdict.contended = meets(&crowded, &mine->share);
    if (!verdict.contended) {
        verdict.way = is_crowded && !spins_anyway(mine) ? TURN_GIVE_WAY : TURN_SPIN;
        return verdict;
    }
    verdict.way = TURN_GIVE_WAY;
    if (!takes_turns(mine))
        return verdict;
    *ring = ring_of(table, &rivals, mine->niceness);
    return share_has(ring, me) ? take_turns(table, leader, me, ring, runs) : verdict;
}

uint64_t turn_join(const struct turn_table *table, const struct share_set *ring, unsigned me)
{
    uint64_t least = UINT64_MAX, own = want_of(table, me)->service_us;
    for (unsigned i = share_next(ring, 0); i < SHARE_MEMBERS; i = share_next(ring, i + 1)) {
        uint64_t service = want_of(table, i)->service_us;
        if (i != me && service < least)
            least = service;
    }
    return least != UINT64_MAX && own < least ? least : own;
}

/* ---- measured ---- */

bool turn_is_crowded(bool was_crowded, uint64_t delay_ns, uint64_t wall_ns)
{
    return delay_ns > wall_ns / (was_crowded ? CROWDED_OUT : CROWDED_IN);
}

uint32_t turn_usual(uint32_t usual, uint64_t sample)
{
    if (sample > UINT32_MAX)
        sample = UINT32_MAX;
    if (sample < 1)
        sample = 1;
    uint32_t step = usual / 4 + 1;
    if (!usual || (sample > usual ? sample - usual : usual - sample) <= step)
        return (uint32_t)sample;
    return sample > usual ? usual + step : usual - step;
}
