#include "tests/sim/mixes.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/random.h"

static void set_cpus(struct kind *kind, unsigned first, unsigned cpus)
{
    memset(kind->cpus, 0, sizeof kind->cpus);
    for (unsigned cpu = first; cpu < first + cpus; cpu++)
        kind->cpus[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

struct kind kind_of(unsigned cpus, unsigned size, ns region, ns gap)
{
    struct kind kind = {.size = size, .region = {CONSTANT, region}, .gap = {CONSTANT, gap}, .imbalance = 0.02};
    set_cpus(&kind, 0, cpus);
    return kind;
}

void mix_start(struct mix *mix, const char *name, unsigned cpus, ns time)
{
    snprintf(mix->name, sizeof mix->name, "%s", name);
    mix->cpus = cpus;
    mix->programs = 0;
    mix->time = time;
}

void mix_add(struct mix *mix, unsigned count, struct kind kind)
{
    while (count-- && mix->programs < MIX_PROGRAMS) {
        kind.stream = mix->programs;
        mix->kind[mix->programs++] = kind;
    }
}

/* ---- the table's ---- */

static struct kind load_of(unsigned cpus)
{
    struct kind kind = kind_of(cpus, 1, 0, 0);
    kind.is_load = true;
    return kind;
}

static struct kind sleeping(struct kind kind)
{
    kind.gap_sleeps = true;
    return kind;
}

static struct kind nicer(struct kind kind, int niceness)
{
    kind.niceness = niceness;
    return kind;
}

static struct kind spread(struct kind kind, enum spread region, enum spread gap)
{
    kind.region.spread = region;
    kind.gap.spread = gap;
    kind.imbalance = 0.2;
    return kind;
}

/* ROW(name, CPUs, milliseconds, programs) */
#define ALIKE(count, size, region, gap) mix_add(mix, count, kind_of(mix->cpus, size, region, gap));
#define ROWS(ROW)                                                                                                      \
    ROW("2 CPUs: 2 × 2 threads, empty regions", 2, 400, ALIKE(2, 2, 0, 0))                                             \
    ROW("2 CPUs: 2 × 2, 9 µs back to back", 2, 1000, ALIKE(2, 2, 9 * US, 0))                                           \
    ROW("2 CPUs: 2 × 2, 40 µs back to back", 2, 1000, ALIKE(2, 2, 40 * US, 0))                                         \
    ROW("2 CPUs: 2 × 2, 200 µs, gaps of 200 µs", 2, 1000, ALIKE(2, 2, 200 * US, 200 * US))                             \
    ROW("2 CPUs: 2 × 2, 1 ms, gaps of 1 ms", 2, 2000, ALIKE(2, 2, MS, MS))                                             \
    ROW("2 CPUs: 4 × 2, 1 ms every 5 ms", 2, 2000, mix_add(mix, 4, sleeping(kind_of(2, 2, MS, 4 * MS))))               \
    ROW("2 CPUs: 2 × 2, 1 ms back to back", 2, 2000, ALIKE(2, 2, MS, 0))                                               \
    ROW("2 CPUs: 9 µs beside 1 ms back to back", 2, 1000, ALIKE(1, 2, 9 * US, 0) ALIKE(1, 2, MS, 0))                   \
    ROW("2 CPUs: empty beside 1 ms back to back", 2, 400, ALIKE(1, 2, 0, 0) ALIKE(1, 2, MS, 0))                        \
    ROW("2 CPUs: 20 µs beside a busy loop", 2, 1000, ALIKE(1, 2, 20 * US, 0) mix_add(mix, 1, load_of(2)))              \
    ROW("2 CPUs: 2 × 20 µs, one nicer by 10", 2, 1000,                                                                 \
        ALIKE(1, 2, 20 * US, 0) mix_add(mix, 1, nicer(kind_of(2, 2, 20 * US, 0), 10)))                                 \
    ROW("8 CPUs: 3 × 8, 100 µs exponential, gaps of 50 µs", 8, 500,                                                    \
        mix_add(mix, 3, spread(kind_of(8, 8, 100 * US, 50 * US), EXPONENTIAL, EXPONENTIAL)))                           \
    ROW("8 CPUs: 4 × 8, 2 ms heavy-tailed, gaps of 1 ms", 8, 2000,                                                     \
        mix_add(mix, 4, spread(kind_of(8, 8, 2 * MS, MS), HEAVY, EXPONENTIAL)))                                        \
    ROW("8 CPUs: 3 × 8, 20 µs back to back", 8, 600, ALIKE(3, 8, 20 * US, 0))                                          \
    ROW("64 CPUs: 2 × 64, 100 µs back to back", 64, 200, ALIKE(2, 64, 100 * US, 0))                                    \
    ROW("64 CPUs: 8 × 16, 1 ms, gaps of 200 µs", 64, 400, ALIKE(8, 16, MS, 200 * US))                                  \
    ROW("512 CPUs: 4 × 256, 2 ms, gaps of 1 ms", 512, 200, ALIKE(4, 256, 2 * MS, MS))                                  \
    ROW("512 CPUs: 1,024 × 2, 5 ms every 20 ms", 512, 100,                                                             \
        mix_add(mix, 1024, sleeping(kind_of(512, 2, 5 * MS, 15 * MS))))

bool mix_named(struct mix *mix, unsigned number)
{
#define ROW(name, cpus, milliseconds, add)                                                                             \
    if (number-- == 0) {                                                                                               \
        mix_start(mix, name, cpus, milliseconds *MS);                                                                  \
        add;                                                                                                           \
        return true;                                                                                                   \
    }
    ROWS(ROW)
#undef ROW
    return false;
}

/* ---- random ---- */

static ns random_length(uint64_t *dice)
{
    static const ns length[] = {0,       2 * US,   5 * US,   9 * US, 20 * US, 40 * US,
                                80 * US, 200 * US, 500 * US, MS,     2 * MS,  5 * MS};
    return length[random_below(dice, sizeof length / sizeof *length)];
}

static enum spread random_spread(uint64_t *dice)
{
    return (enum spread)random_below(dice, 3);
}

/* Of the machine: all, or a half. */
static void choose_cpus(struct kind *kind, uint64_t *dice, unsigned cpus)
{
    unsigned part = random_below(dice, 4) || cpus == 2 ? cpus : cpus / 2;
    set_cpus(kind, random_below(dice, 2) ? cpus - part : 0, part);
    kind->size = random_below(dice, 2) ? part : 2 + random_below(dice, part - 1);
}

static void choose_lengths(struct kind *kind, uint64_t *dice)
{
    kind->region.mean = random_length(dice);
    kind->gap.mean = random_below(dice, 2) ? 0 : random_length(dice);
    kind->gap_sleeps = kind->gap.mean >= 200 * US && !random_below(dice, 2);
    kind->region.spread = random_spread(dice);
    kind->gap.spread = random_spread(dice);
    kind->imbalance = random_below(dice, 2) ? 0.02 : 0.2;
}

static void choose_rest(struct kind *kind, uint64_t *dice, ns time)
{
    if (!random_below(dice, 6))
        kind->niceness = (int)random_below(dice, 3) * 5;
    if (!random_below(dice, 8))
        kind->waits = (enum turn_waits)(1 + random_below(dice, 2));
    if (!random_below(dice, 6))
        kind->arrives = (ns)(random_part(dice) * (double)time / 2);
    if (!random_below(dice, 8))
        kind->dies = kind->arrives + time / 4 + (ns)(random_part(dice) * (double)time / 4);
}

static struct kind random_kind(enum family family, uint64_t *dice, unsigned cpus, ns time)
{
    struct kind kind = kind_of(cpus, cpus, 0, 0);
    choose_lengths(&kind, dice);
    if (family == FAMILY_DENSE) {
        kind.region.mean = kind.region.mean > 2 * MS ? 2 * MS : kind.region.mean;
        kind.region.spread = kind.region.spread == HEAVY ? CONSTANT : kind.region.spread;
        kind.gap = (struct length){CONSTANT, 0};
        kind.gap_sleeps = false;
    }
    if (family == FAMILY_ANY) {
        choose_cpus(&kind, dice, cpus);
        choose_rest(&kind, dice, time);
    }
    return kind;
}

void mix_random(struct mix *mix, enum family family, uint64_t seed)
{
    static const char *const name[] = {"alike", "dense", "any"};
    static const unsigned machine[] = {2, 2, 4, 8, 16};
    uint64_t dice = random_seed(seed, 7777);
    random_next(&dice);
    unsigned cpus = machine[random_below(&dice, 5)], programs = 2 + random_below(&dice, family == FAMILY_ALIKE ? 3 : 4);
    mix_start(mix, "", cpus, 500 * MS);
    snprintf(mix->name, sizeof mix->name, "%s %llu: %u CPUs, %u programs", name[family], (unsigned long long)seed, cpus,
             programs);
    struct kind kind = random_kind(family, &dice, cpus, mix->time);
    for (unsigned i = 0; i < programs; i++) {
        mix_add(mix, 1, kind);
        if (family != FAMILY_ALIKE)
            kind = random_kind(family, &dice, cpus, mix->time);
    }
    if (family == FAMILY_ANY && !random_below(&dice, 4))
        mix_add(mix, 1, load_of(cpus));
}

void mix_reverse(struct mix *mix)
{
    for (unsigned i = 0; i < mix->programs / 2; i++) {
        struct kind kind = mix->kind[i];
        mix->kind[i] = mix->kind[mix->programs - 1 - i];
        mix->kind[mix->programs - 1 - i] = kind;
    }
}
