#include "tests/sim/properties.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/measure.h"

/* A twentieth of the mixes of a family may be further behind than a tenth, and none further than a third: what no rule
 * that only knows usual lengths can tell. docs/scheduling.md says which. */
static const double BEHIND = 0.9, FAR_BEHIND = 0.66;

static unsigned tests, failures;
static struct mix mix;
static struct result result[STRATEGIES];

static void check(bool is_so, const char *name)
{
    printf("%sok %u %s\n", is_so ? "" : "not ", ++tests, name);
    failures += !is_so;
    fflush(stdout);
}

__attribute__((format(printf, 1, 2))) static void remark(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("# ", stdout);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

/* ---- never far behind the best ---- */

static double best_of_three(void)
{
    double best = 0;
    for (enum strategy strategy = STRATEGY_PLAIN; strategy <= STRATEGY_SHORT; strategy++)
        best = fmax(best, result[strategy].work);
    return best;
}

/* The policy over the best of the three others in this mix. */
static double compare(uint64_t seed)
{
    for (enum strategy strategy = 0; strategy < STRATEGIES; strategy++)
        if (strategy != STRATEGY_ONE)
            measure(&result[strategy], &mix, strategy, seed);
    double part = result[STRATEGY_POLICY].work / best_of_three();
    if (part < BEHIND)
        remark("%s: plain %.2f, turns %.2f, short waits %.2f, policy %.2f", mix.name, result[STRATEGY_PLAIN].work,
               result[STRATEGY_TURNS].work, result[STRATEGY_SHORT].work, result[STRATEGY_POLICY].work);
    return part;
}

static void named_mixes(void)
{
    double least = 1;
    for (unsigned i = 0; mix_named(&mix, i); i++)
        least = fmin(least, compare(1));
    check(least >= BEHIND, "in the table's mixes the policy is at most a tenth behind the best");
}

/* What no single strategy does: close to the best in nearly all mixes. */
static unsigned behind, far_behind, starved;
static double logs[STRATEGIES];

/* Everybody else may have a turn, and may have to catch up (turn_join). */
static ns longest_wait_allowed(const struct result *of)
{
    return of->longest_turns + (ns)mix.programs * 110 * MS;
}

static bool has_starved(const struct result *of)
{
    bool starves = of->longest_wait > longest_wait_allowed(of);
    for (unsigned i = 0; i < mix.programs; i++)
        starves |= !mix.kind[i].is_load && !of->regions[i];
    if (starves)
        remark("%s: somebody waited for %lld ms, or had nothing", mix.name, (long long)(of->longest_wait / MS));
    return starves;
}

static void run_family(enum family family, uint64_t first, unsigned mixes)
{
    behind = far_behind = starved = 0;
    memset(logs, 0, sizeof logs);
    for (unsigned i = 0; i < mixes; i++) {
        mix_random(&mix, family, first + i);
        double part = compare(first + i);
        behind += part < BEHIND;
        far_behind += part < FAR_BEHIND;
        starved += has_starved(&result[STRATEGY_POLICY]);
        for (enum strategy strategy = 0; strategy < STRATEGIES; strategy++)
            logs[strategy] += log(fmax(result[strategy].work, 1e-4)) / mixes;
    }
    remark("work over ideal, geometric mean of %u mixes: plain %.2f, turns %.2f, short waits %.2f, policy %.2f", mixes,
           exp(logs[STRATEGY_PLAIN]), exp(logs[STRATEGY_TURNS]), exp(logs[STRATEGY_SHORT]), exp(logs[STRATEGY_POLICY]));
    remark("%u of them are further behind the best than a tenth, %u than a third", behind, far_behind);
}

/* Turns alone come from the same function as the policy's: so what they are compared with is the ideal, too. */
static void random_mixes(uint64_t first)
{
    enum { MIXES = 60 };
    run_family(FAMILY_ALIKE, first, MIXES);
    check(behind <= MIXES / 20 && !far_behind,
          "programs that are alike: nearly always at most a tenth behind the best");
    check(exp(logs[STRATEGY_POLICY]) >= 0.85, "programs that are alike: close to the ideal");
    check(!starved, "programs that are alike: nobody starves");
    run_family(FAMILY_DENSE, first, MIXES);
    check(behind <= MIXES / 20 && !far_behind, "regions back to back: nearly always at most a tenth behind the best");
    check(exp(logs[STRATEGY_POLICY]) >= 0.9, "regions back to back: close to the ideal");
    check(!starved, "regions back to back: nobody starves");
    run_family(FAMILY_ANY, first, MIXES);
    double best = fmax(fmax(logs[STRATEGY_PLAIN], logs[STRATEGY_TURNS]), logs[STRATEGY_SHORT]);
    check(logs[STRATEGY_POLICY] >= best, "any programs: better than each of the others, over all mixes");
    check(behind <= MIXES / 3, "any programs: mostly at most a tenth behind the best of them in each mix");
    check(!starved, "any programs: nobody starves");
}

/* ---- fair ---- */

/* Several like this, for so long that a turn more or less, or a long region, counts for little. Where all lengths are
 * the same they may fall into step, and then who is on which CPU counts. */
static double unfairness(unsigned cpus, unsigned programs, ns region, ns gap)
{
    double least = INFINITY, most = 0;
    struct kind kind = kind_of(cpus, cpus, region, gap);
    kind.region.spread = EXPONENTIAL;
    mix_start(&mix, "equals", cpus, (region < 50 * US ? 4000 : 16000) * MS);
    mix_add(&mix, programs, kind);
    measure(&result[0], &mix, STRATEGY_POLICY, 1);
    for (unsigned i = 0; i < programs; i++) {
        least = fmin(least, result[0].progress[i]);
        most = fmax(most, result[0].progress[i]);
    }
    if (most > 1.05 * least)
        remark("%u CPUs, %u programs, regions of %lld us, gaps of %lld us: from %.3f to %.3f", cpus, programs,
               (long long)(region / US), (long long)(gap / US), least, most);
    return most / least;
}

static void equals(void)
{
    static const ns region[] = {9 * US, 20 * US, 80 * US, 200 * US, MS, 2 * MS};
    double worst = 1;
    for (unsigned i = 0; i < sizeof region / sizeof *region; i++)
        for (unsigned programs = 2; programs <= 3; programs++) {
            worst = fmax(worst, unfairness(2, programs, region[i], 0));
            worst = fmax(worst, unfairness(4, programs, region[i], region[i]));
        }
    check(worst <= 1.05, "equal programs get the same, within 5 %");
}

static void orders(uint64_t first)
{
    double worst = 0;
    for (unsigned i = 0; i < 20; i++) {
        mix_random(&mix, FAMILY_DENSE, first + i);
        measure(&result[0], &mix, STRATEGY_POLICY, 1);
        mix_reverse(&mix);
        measure(&result[1], &mix, STRATEGY_POLICY, 1);
        double apart = fabs(log(result[0].work / result[1].work));
        if (apart > 0.05)
            remark("%s: %.3f, the other way round %.3f", mix.name, result[0].work, result[1].work);
        worst = fmax(worst, apart);
    }
    check(worst <= 0.1, "the order of the table does not matter");
}

/* ---- cheap ---- */

static double seconds_of(const struct turn_table *table)
{
    double least = INFINITY;
    for (unsigned repeat = 0; repeat < 20; repeat++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (unsigned i = 0; i < 20; i++)
            turn_decide(table, 0, i, NULL, NULL);
        clock_gettime(CLOCK_MONOTONIC, &end);
        least = fmin(least, (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec));
    }
    return least / 20;
}

static double cost_of(unsigned members)
{
    static struct turn_want row[SHARE_MEMBERS];
    struct share_set set = {{0}}, none = {{0}};
    const struct turn_table table = {row, sizeof *row, &set, &none};
    for (unsigned i = 0; i < members; i++) {
        row[i] = (struct turn_want){.share = {.demand = 16}, .region_ns = 5000, .gap_ns = 1};
        memset(row[i].share.cpus, 0xff, MACHINE_CPUS / 8);
        share_add(&set, i);
    }
    return seconds_of(&table);
}

static void costs(void)
{
    double few = cost_of(32) / 32, many = cost_of(1024) / 1024;
    remark("a decision takes %.2f us for each of 32 active members, %.2f us for each of 1,024", few * 1e6, many * 1e6);
    check(many < 4 * few, "a decision costs linear in the active members");
}

int properties(uint64_t first)
{
    named_mixes();
    random_mixes(first);
    equals();
    orders(first);
    costs();
    printf("1..%u\n", tests);
    return failures != 0;
}
