/* sim table                  what each strategy makes of the named mixes, as a table in Markdown
 * sim calibration            the model beside what was measured on a real machine
 * sim properties [SEED...]   what must hold in random mixes; TAP */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/measure.h"

static const char *const strategy_name[] = {"plain", "turns alone", "short waits alone", "one thread each", "policy"};

static struct mix mix;

static void print_time(ns time)
{
    if (time < 100 * US)
        printf(" %.1f µs |", (double)time / US);
    else
        printf(" %.3g ms |", (double)time / MS);
}

static void print_row(enum strategy strategy)
{
    static struct result result;
    measure(&result, &mix, strategy, 1);
    printf("| %s | %s | %.2f | %.2f |", mix.name, strategy_name[strategy], result.work, result.fairness);
    print_time(result.p50);
    print_time(result.p99);
    printf(" %.0f |\n", result.switches);
    fflush(stdout);
}

static int table(void)
{
    puts("| mix | strategy | work over ideal | Jain's index | p50 | p99 | switches per CPU and second |\n"
         "| --- | --- | --- | --- | --- | --- | --- |");
    for (unsigned i = 0; mix_named(&mix, i); i++)
        for (enum strategy strategy = 0; strategy < STRATEGIES; strategy++)
            print_row(strategy);
    return 0;
}

/* ---- properties ---- */

static unsigned tests, failures;

static void check(bool is_so, const char *name)
{
    printf("%sok %u %s\n", is_so ? "" : "not ", ++tests, name);
    failures += !is_so;
    fflush(stdout);
}

static int explore(int seeds, char **seed)
{
    static struct result result[STRATEGIES];
    for (int i = 0; i < seeds; i++) {
        static const unsigned cpus[] = {2, 2, 4, 8, 16};
        uint64_t number = strtoull(seed[i], NULL, 0);
        mix_random(&mix, number, cpus[number % 5], 5);
        double best = 0;
        for (enum strategy strategy = 0; strategy < STRATEGIES; strategy++) {
            measure(&result[strategy], &mix, strategy, number);
            if (strategy <= STRATEGY_SHORT && result[strategy].work > best)
                best = result[strategy].work;
        }
        double policy = result[STRATEGY_POLICY].work;
        printf("%s %s: plain %.3f turns %.3f short %.3f one %.3f policy %.3f (%.2f) least %.3f\n",
               policy < 0.9 * best ? "BAD" : "   ", mix.name, result[0].work, result[1].work, result[2].work,
               result[3].work, policy, policy / best, result[4].least);
        for (unsigned j = 0; policy < 0.9 * best && j < mix.programs; j++) {
            const struct kind *k = &mix.kind[j];
            printf("      %u of %u cpus%s, region %lld us (%d) gap %lld us (%d)%s nice %d waits %d imb %.2f from %lld "
                   "to %lld: plain %.3f turns %.3f short %.3f policy %.3f\n",
                   k->size, program_cpus(k), k->is_load ? " load" : "", (long long)k->region.mean / 1000,
                   k->region.spread, (long long)k->gap.mean / 1000, k->gap.spread, k->gap_sleeps ? " sleeps" : "",
                   k->niceness, k->waits, k->imbalance, (long long)k->arrives / MS, (long long)k->dies / MS,
                   result[0].progress[j], result[1].progress[j], result[2].progress[j], result[4].progress[j]);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "table") == 0)
        return table();
    if (argc > 2 && strcmp(argv[1], "explore") == 0)
        return explore(argc - 2, argv + 2);
    fputs("usage: sim table | calibration | properties [SEED...]\n", stderr);
    return 2;
}
