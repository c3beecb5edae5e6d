/* sim table               what each strategy makes of the named mixes, as a table in Markdown
 * sim calibration         the model beside what was measured on a machine of two CPUs
 * sim properties [SEED]   what must hold, in random mixes from this seed on; TAP */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/measure.h"
#include "tests/sim/properties.h"

static struct mix mix;
static struct result result;

/* ---- the table ---- */

static void print_time(ns time)
{
    if (time < 100 * US)
        printf(" %.1f µs |", (double)time / US);
    else
        printf(" %.3g ms |", (double)time / MS);
}

static void print_row(enum strategy strategy)
{
    static const char *const name[] = {"plain", "turns alone", "short waits alone", "one thread each", "policy"};
    measure(&result, &mix, strategy, 1);
    printf("| %s | %s | %.2f | %.2f |", strategy ? "" : mix.name, name[strategy], result.work, result.fairness);
    print_time(result.p50);
    print_time(result.p99);
    printf(" %.0f |\n", result.switches);
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

/* ---- calibration ---- */

static double regions_in(ns time, unsigned programs, ns region, ns gap, bool is_loaded, enum strategy strategy)
{
    mix_start(&mix, "", 2, time);
    struct kind kind = kind_of(2, 2, region, gap);
    mix_add(&mix, programs, kind);
    kind.is_load = true;
    mix_add(&mix, is_loaded, kind);
    measure(&result, &mix, strategy, 1);
    double regions = 0;
    for (unsigned i = 0; i < programs; i++)
        regions += (double)result.regions[i];
    return regions;
}

/* How much longer it takes than alone; of two programs, than one after the other. */
static void print_calibration(const char *what, unsigned programs, ns region, ns gap, bool is_loaded,
                              const char *measured)
{
    ns time = 1000 * MS;
    double alone = regions_in(time, 1, region, gap, false, STRATEGY_PLAIN);
    printf("| %s | %s |", what, measured);
    for (enum strategy strategy = STRATEGY_PLAIN; strategy <= STRATEGY_SHORT; strategy++) {
        double together = regions_in(time, programs, region, gap, is_loaded, strategy);
        printf(" %.2f |", alone / (together + 1e-3));
    }
    putchar('\n');
}

static int calibration(void)
{
    puts("| programs of 2 threads on 2 CPUs | measured: plain, turns, short waits | plain | turns | short waits |\n"
         "| --- | --- | --- | --- | --- |");
    print_calibration("one, empty regions", 1, 0, 0, false, "1, –, 13");
    print_calibration("two, 9 µs back to back", 2, 9 * US, 0, false, "> 50, 1.0, 1.2–1.4");
    print_calibration("two, 40 µs back to back", 2, 40 * US, 0, false, "–, 1.0, 1.05");
    print_calibration("two, 80 µs back to back", 2, 80 * US, 0, false, "–, 1.0, 1.0");
    print_calibration("two, 200 µs, gaps of 200 µs", 2, 200 * US, 200 * US, false, "9.4, –, 0.75");
    print_calibration("two, 1 ms, gaps of 1 ms", 2, MS, MS, false, "1.95, 1.0, 0.74");
    print_calibration("one beside a busy loop, 20 µs back to back", 1, 20 * US, 0, true, "3.4, –, 2.3");
    print_calibration("one beside a busy loop, empty regions", 1, 0, 0, true, "3–4.4, –, 8");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "table") == 0)
        return table();
    if (strcmp(what, "calibration") == 0)
        return calibration();
    if (strcmp(what, "properties") == 0)
        return properties(argc > 2 ? strtoull(argv[2], NULL, 0) : 1);
    fputs("usage: sim table | calibration | properties [SEED]\n", stderr);
    return 2;
}
