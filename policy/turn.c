#include "policy/turn.h"

enum {
    REGION_NS = 600,     /* a region without work, of a team that spins */
    WAKES_NS = 4000,     /* what blocks and wake-ups add to a region, */
    WAKES_EACH_NS = 600, /* and for each of its threads */
    CLOSE_NS = 13000,    /* a wake-up from another CPU: within so short a gap nobody else gets far */
    IDLE_NS = 1000000,   /* who is idle for so long between regions loses its turn */
    LONG_NS = 4000000,   /* a region that nobody should have to wait for */
    MOST_THREADS = 1024,
};

/* What turns must save, in thousandths of the time, since those who wait for them wait for long, and at each barrier a
 * thread's CPU stands still until the last one comes. */
enum { WORTH = 150 };

/* Nobody has to wait until others have caught up with more than this. */
enum { AHEAD_US = 100000 };

enum {
    CROWDED_IN = 10,  /* a team gives way from this part of its time on, */
    CROWDED_OUT = 20, /* until it is less than this one; */
    CROWDED_TURN = 4, /* and turns are given up, for longer, from this one on */
};
/* How long a crowd in a turn is believed in; twice as long each time that it is seen again so soon. */
static const int64_t hold_ns = 200000000, most_hold_ns = 3200000000, soon_ns = 500000000;

/* Blocks and wake-ups in a region, as far as its first thread makes them. */
enum { BLOCK_NS = 6000 };

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

static uint64_t threads_of(const volatile struct turn_want *want)
{
    uint32_t demand = want->share.demand;
    return demand < 1 ? 1 : demand < MOST_THREADS ? demand : MOST_THREADS;
}

static uint64_t wakes_ns(uint64_t threads)
{
    return WAKES_NS + WAKES_EACH_NS * threads;
}

/* What part of its CPU time, in thousandths, short waits would cost it: blocks and wake-ups in each region. */
static unsigned loss_by_waits(const volatile struct turn_want *want)
{
    uint64_t threads = threads_of(want), wakes = threads * wakes_ns(threads);
    uint64_t work = threads * ((uint64_t)want->region_ns + REGION_NS) + want->gap_ns;
    return (unsigned)(1000 * wakes / (work + wakes));
}

static uint64_t cpus_of(const volatile struct share_want *want)
{
    uint64_t cpus = 0;
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        for (uint64_t word = want->cpus[i]; word; word &= word - 1)
            cpus++;
    return cpus;
}

/* What part of its turns nobody would use: in its gaps one thread computes, if any; and gangs like it leave some of its
 * CPUs free in any case (fragmentation). */
static unsigned loss_by_turns(const volatile struct turn_want *want)
{
    uint64_t threads = threads_of(want), region = (uint64_t)want->region_ns + REGION_NS, gap = want->gap_ns;
    uint64_t used = 1000 - 1000 * gap * (threads - 1) / (threads * (region + gap));
    uint64_t cpus = cpus_of(&want->share);
    if (cpus > threads)
        used = used * (cpus - cpus % threads) / cpus;
    return 1000 - (unsigned)used;
}

/* It runs one region after the other, so that turns are of use to it, and its turns can end. */
static bool is_dense(const volatile struct turn_want *want)
{
    uint32_t region = want->region_ns, gap = want->gap_ns;
    return region && region < LONG_NS && gap < IDLE_NS && (gap <= region || gap < CLOSE_NS);
}

/* Whether a team does better to spin among `crowd` threads on each of its CPUs than to block, by far: it computes only
 * while all of its threads have a CPU. */
static bool spins_anyway(const volatile struct turn_want *want, unsigned crowd)
{
    if (want->waits != TURN_WAITS_TOLD)
        return want->waits == TURN_WAITS_SPIN;
    uint64_t lost = (uint64_t)want->region_ns + REGION_NS, wakes = wakes_ns(threads_of(want));
    if (!is_dense(want))
        return false;
    for (uint64_t other = 1; other < threads_of(want) && lost < wakes; other++)
        lost *= crowd;
    return lost < wakes;
}

/* Its regions follow each other, its waits are ours to change, and if load that nobody manages is in its way, it spins
 * all the same. */
static bool can_take_turns(const volatile struct turn_want *want)
{
    return want->waits == TURN_WAITS_TOLD && is_dense(want) && (!want->is_crowded || spins_anyway(want, 2));
}

/* What part of the time that it needs with short waits it would save by turns, in thousandths. */
static unsigned gain_by_turns(const volatile struct turn_want *want)
{
    unsigned waits = 1000 - loss_by_waits(want), turns = 1000 - loss_by_turns(want);
    if (want->waits == TURN_WAITS_SPIN)
        return 1000;
    return can_take_turns(want) && turns > waits ? 1000 - 1000 * waits / turns : 0;
}

static bool needs_turns(const volatile struct turn_want *want)
{
    return gain_by_turns(want) >= WORTH;
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

/* The CPUs of those who need turns; and of those to whom they are worth twice as much, and so on. */
enum { LEVELS = 5 };
struct need {
    struct share_cpus cpus[LEVELS];
};

static struct need need_of(const struct turn_table *table, const struct share_set *rivals, int niceness)
{
    struct need need = {{{{0}}}};
    for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1)) {
        const volatile struct turn_want *want = want_of(table, i);
        unsigned gain = want->niceness == niceness ? gain_by_turns(want) : 0;
        for (unsigned level = 0; level < LEVELS && (level + 1) * WORTH <= gain; level++)
            add_cpus(&need.cpus[level], &want->share);
    }
    return need;
}

/* It needs turns, or somebody in its way does, who gains more than it loses. */
static bool takes_turns(const volatile struct turn_want *want, const struct need *need, int niceness)
{
    if (want->niceness != niceness)
        return false;
    if (needs_turns(want))
        return true;
    unsigned level = (loss_by_turns(want) + WORTH - 1) / WORTH;
    return can_take_turns(want) && level < LEVELS && meets(&need->cpus[level], &want->share);
}

/* The CPUs of those who take no turns with members of this niceness; those of two of them or more; and so on. */
enum { LAYERS = 6 };
struct others {
    struct share_cpus cpus[LAYERS];
};

static void add_layer(struct others *others, const volatile struct share_want *want)
{
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        for (uint64_t layer = 0, left = want->cpus[i]; layer < LAYERS && left; layer++) {
            uint64_t again = left & others->cpus[layer].word[i];
            others->cpus[layer].word[i] |= left;
            left = again;
        }
}

static struct others others_of(const struct turn_table *table, const struct share_set *rivals, const struct need *need,
                               int niceness)
{
    struct others others = {{{{0}}}};
    for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1)) {
        const volatile struct turn_want *want = want_of(table, i);
        if (!takes_turns(want, need, niceness))
            add_layer(&others, &want->share);
    }
    return others;
}

/* How many of them, at most, have threads on a CPU of this one. */
static unsigned crowd_of(const struct others *others, const volatile struct share_want *want)
{
    unsigned crowd = 0;
    while (crowd < LAYERS && meets(&others->cpus[crowd], want))
        crowd++;
    return crowd;
}

/* It takes turns, and nobody who takes none is in its way, or it spins all the same. */
static bool is_in_ring(const volatile struct turn_want *want, const struct need *need, const struct others *others,
                       int niceness)
{
    if (!takes_turns(want, need, niceness))
        return false;
    unsigned crowd = crowd_of(others, &want->share);
    return !crowd || spins_anyway(want, crowd + 1);
}

static struct share_set ring_of(const struct turn_table *table, const struct share_set *rivals, int niceness)
{
    struct need need = need_of(table, rivals, niceness);
    struct others others = others_of(table, rivals, &need, niceness);
    struct share_set ring = {{0}};
    for (unsigned i = share_next(rivals, 0); i < SHARE_MEMBERS; i = share_next(rivals, i + 1))
        if (is_in_ring(want_of(table, i), &need, &others, niceness))
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

struct turn_verdict turn_decide(const struct turn_table *table, unsigned leader, unsigned me, struct share_set *ring,
                                struct share_set *runs)
{
    struct turn_verdict verdict = {.way = TURN_SPIN, .leader = SHARE_MEMBERS, .next = SHARE_MEMBERS};
    struct share_set ring_ = {{0}}, runs_ = {{0}};
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
        verdict.way = mine->is_crowded && !spins_anyway(mine, 2) ? TURN_GIVE_WAY : TURN_SPIN;
        return verdict;
    }
    verdict.way = TURN_GIVE_WAY;
    *ring = ring_of(table, &rivals, mine->niceness);
    if (share_has(ring, me))
        return take_turns(table, leader, me, ring, runs);
    *ring = (struct share_set){{0}}; /* those in it take turns with each other, and not with this one */
    return verdict;
}

uint64_t turn_join(const struct turn_table *table, const struct share_set *ring, unsigned me)
{
    uint64_t least = UINT64_MAX, own = want_of(table, me)->service_us;
    for (unsigned i = share_next(ring, 0); i < SHARE_MEMBERS; i = share_next(ring, i + 1)) {
        uint64_t service = want_of(table, i)->service_us;
        if (i != me && service < least)
            least = service;
    }
    if (least == UINT64_MAX)
        return own;
    uint64_t most = least > UINT64_MAX - AHEAD_US ? UINT64_MAX : least + AHEAD_US;
    return own < least ? least : own > most ? most : own;
}

/* ---- measured ---- */

void turn_notice_delay(struct turn_crowd *crowd, uint64_t delay_ns, uint64_t wall_ns, bool is_in_turn, int64_t now)
{
    bool was_crowded = turn_is_crowded(crowd, now);
    bool is_delayed = delay_ns > wall_ns / (is_in_turn ? CROWDED_TURN : was_crowded ? CROWDED_OUT : CROWDED_IN);
    if (!is_in_turn) {
        crowd->hold = hold_ns;
        crowd->until = is_delayed ? now + hold_ns : now;
    } else if (is_delayed && !was_crowded) {
        bool is_again = crowd->hold && now - crowd->until < crowd->hold + soon_ns;
        crowd->hold = !is_again ? hold_ns : crowd->hold < most_hold_ns / 2 ? 2 * crowd->hold : most_hold_ns;
        crowd->until = now + crowd->hold;
    }
}

uint32_t turn_usual(struct turn_samples *samples, uint64_t length)
{
    uint32_t sorted[TURN_SAMPLES] = {1};
    unsigned count = 0;
    samples->length[samples->count++ % TURN_SAMPLES] = length > UINT32_MAX ? UINT32_MAX : length ? (uint32_t)length : 1;
    for (unsigned i = 0; i < TURN_SAMPLES && samples->length[i]; i++) {
        unsigned at = count++;
        for (; at > 0 && sorted[at - 1] > samples->length[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = samples->length[i];
    }
    return sorted[count / 2];
}

uint64_t turn_region_length(uint64_t cpu_ns, bool waits_were_short)
{
    uint64_t block = waits_were_short ? BLOCK_NS : 0;
    return cpu_ns > block ? cpu_ns - block : 1;
}
