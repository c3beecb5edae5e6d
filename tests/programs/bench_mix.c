/* Subject of tools/bench: a program of regions, serial parts and pauses. Prints what it saw (bench_seen.h).
 *
 *   bench_mix [-b REGIONS] [-w WORK] [-t THREADS] [-s SERIAL] [-p PAUSE] [-l] -n TIMES | -d SECONDS
 *   bench_mix -c           how many steps of arithmetic this machine does in a microsecond
 *
 * TIMES times, or until SECONDS are over: REGIONS regions (1), each of WORK microseconds (0) on every CPU, a serial
 * part of SERIAL microseconds, a pause of PAUSE microseconds. THREADS is a num_threads clause. With -l also the median
 * and the 99th percentile of the regions.
 *
 * A region's work is the same however many threads the team has: as many parts as there are CPUs. How many steps a
 * microsecond has is what STEPS_PER_MICROSECOND in the environment says; who has to find it out itself, while others
 * run, may find too few. */
#include "bench_seen.h"
#include <omp.h>
#include <stdbool.h>
#include <unistd.h>

struct mix {
    long burst, times;
    double work, serial, pause, seconds; /* microseconds, but for the last */
    int threads;
};

static double steps_per_microsecond, sink;
static volatile double start = 1; /* read each time: the compiler may not do the same work only once */

static double compute(double steps)
{
    double x = start;
    for (long i = 0; i < (long)steps; i++)
        x = x * 0.999 + 0.001;
    return x;
}

/* The best of many short tries, most of which no other program gets into. */
static double calibrate(void)
{
    enum { TRIES = 200, STEPS = 100000 };
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
        double begun = nanoseconds();
        sink += compute(STEPS);
        double speed = STEPS / (nanoseconds() - begun) * 1e3;
        if (speed > best)
            best = speed;
    }
    return best;
}

static void region(const struct mix *mix, int parts)
{
    double sum = 0, steps = mix->work * steps_per_microsecond;
    if (mix->threads) {
#pragma omp parallel for schedule(static) reduction(+ : sum) num_threads(mix->threads)
        for (int part = 0; part < parts; part++)
            sum += compute(steps);
    } else {
#pragma omp parallel for schedule(static) reduction(+ : sum)
        for (int part = 0; part < parts; part++)
            sum += compute(steps);
    }
    sink += sum;
}

static void rest(double microseconds)
{
    const struct timespec length = {(time_t)(microseconds / 1e6), (long)(microseconds * 1e3) % 1000000000};
    nanosleep(&length, NULL);
}

static void once(const struct mix *mix, int parts, struct seen *seen)
{
    double begun = nanoseconds();
    for (long i = 0; i < mix->burst; i++) {
        region(mix, parts);
        begun = saw(seen, begun);
    }
    if (mix->serial > 0)
        sink += compute(mix->serial * steps_per_microsecond);
    if (mix->pause > 0)
        rest(mix->pause);
}

static bool goes_on(const struct mix *mix, long done, double end)
{
    return mix->seconds > 0 ? nanoseconds() < end : done < mix->times;
}

static int usage(void)
{
    fputs("usage: bench_mix [-b REGIONS] [-w WORK] [-t THREADS] [-s SERIAL] [-p PAUSE] [-l] -n TIMES | -d SECONDS\n",
          stderr);
    return 2;
}

static int show_speed(void)
{
    printf("%.1f\n", calibrate());
    return 0;
}

int main(int argc, char **argv)
{
    double begun = nanoseconds();
    struct mix mix = {.burst = 1};
    struct seen seen = {0};
    const char *speed = getenv("STEPS_PER_MICROSECOND");
    for (int option; (option = getopt(argc, argv, "b:w:t:s:p:ln:d:c")) != -1;) {
        switch (option) {
        case 'b':
            mix.burst = atol(optarg);
            break;
        case 'w':
            mix.work = atof(optarg);
            break;
        case 't':
            mix.threads = atoi(optarg);
            break;
        case 's':
            mix.serial = atof(optarg);
            break;
        case 'p':
            mix.pause = atof(optarg);
            break;
        case 'l':
            keep(&seen, 1000000);
            break;
        case 'n':
            mix.times = atol(optarg);
            break;
        case 'd':
            mix.seconds = atof(optarg);
            break;
        case 'c':
            return show_speed();
        default:
            return usage();
        }
    }
    if (!mix.times == !(mix.seconds > 0))
        return usage();
    if (mix.work > 0 || mix.serial > 0)
        steps_per_microsecond = speed ? atof(speed) : calibrate();
    int parts = omp_get_num_procs();
    for (long done = 0; goes_on(&mix, done, begun + mix.seconds * 1e9); done++)
        once(&mix, parts, &seen);
    report(&seen);
    return 0;
}
