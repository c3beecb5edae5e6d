/* The time and resources that a thread used, and the timers that it left behind. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "fresh.h"
#include "posix_cases.h"

/* ---- clocks: 100 ms are used, and less than 50 found ---- */

static long cpu_ms(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void burn(long ms)
{
    long begin = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < begin + ms)
        for (volatile int i = 0; i < 10000; i++)
            ;
}

static void set_clocks(void)
{
    burn(heavy ? 100 : 1);
}

static void look_clocks(void)
{
    clockid_t own;
    pthread_getcpuclockid(pthread_self(), &own);
    find("%s %s", cpu_ms(CLOCK_THREAD_CPUTIME_ID) < 50 ? "new" : "used", cpu_ms(own) < 50 ? "new" : "used");
    burn(60);
    find(", %s %s", cpu_ms(CLOCK_THREAD_CPUTIME_ID) < 59 ? "stands" : "runs", cpu_ms(own) < 59 ? "stands" : "runs");
}

static void set_system_time(void)
{
    long begin = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < begin + (heavy ? 200 : 1)) {
        void *memory = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, 4 << 20, MADV_POPULATE_WRITE);
        munmap(memory, 4 << 20);
    }
}

static void look_usage(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    long ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
              (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    find("%s, faults %s, switches %s", ms < 50 ? "new" : "used", usage.ru_minflt < 1000 ? "few" : "many",
         usage.ru_nvcsw < 200 ? "few" : "many");
}

static void set_usage(void)
{
    burn(heavy ? 100 : 1);
    enum { SIZE = 16 << 20 };
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; heavy && i < SIZE; i += 4096)
        memory[i] = 1;
    munmap(memory, SIZE);
    for (int i = 0; heavy && i < 300; i++)
        usleep(1);
}

/* ---- timers that are left behind ---- */

static atomic_int ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

static void handle_ticks(void)
{
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

static void set_cpu_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    if (heavy && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
        timer_settime(timer, 0, &(struct itimerspec){{0, 5000000}, {0, 20000000}}, NULL);
}

static void look_cpu_timer(void)
{
    ticks = 0;
    burn(80);
    find("%s", ticks ? "ticks" : "none");
}

static void set_thread_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (heavy && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &(struct itimerspec){{0, 5000000}, {0, 5000000}}, NULL);
}

static void look_thread_timer(void)
{
    pause_ms(5);
    ticks = 0;
    pause_ms(40);
    find("%s", ticks ? "ticks" : "none");
}

/* ---- points in time of the thread's clock: 100 ms were used before, and they are 60 ms away ---- */

static struct timespec in_60_ms(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    time.tv_nsec += 60000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void look_timer_point(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
        return;
    struct itimerspec point = {.it_value = in_60_ms(CLOCK_THREAD_CPUTIME_ID)};
    ticks = 0;
    timer_settime(timer, TIMER_ABSTIME, &point, NULL);
    burn(30);
    find("%s", ticks ? "too early" : "not early");
    burn(60);
    find(", %d", ticks);
    timer_delete(timer);
}

static struct sleep {
    clockid_t clock;
    struct timespec until;
    atomic_int result;
} asleep;

static void *sleep_until(void *arg)
{
    struct sleep *sleep = arg;
    sleep->result = clock_nanosleep(sleep->clock, TIMER_ABSTIME, &sleep->until, NULL);
    return arg;
}

static void look_sleep_point(void)
{
    pthread_t thread;
    pthread_getcpuclockid(pthread_self(), &asleep.clock);
    asleep.until = in_60_ms(asleep.clock);
    asleep.result = -1;
    if (pthread_create(&thread, NULL, sleep_until, &asleep) != 0)
        return;
    long begin = cpu_ms(asleep.clock), limit = begin + 2000;
    while (asleep.result == -1 && cpu_ms(asleep.clock) < limit)
        burn(1);
    long end = cpu_ms(asleep.clock);
    find("%d, %s", asleep.result, end < begin + 59 ? "too early" : end >= limit ? "too late" : "in time");
    pthread_join(thread, NULL);
}

const struct row time_rows[] = {
    {"CPU clocks", NULL, set_clocks, look_clocks, SHORT, false},
    {"usage", NULL, set_usage, look_usage, SHORT, false},
    {"CPU timer", handle_ticks, set_cpu_timer, look_cpu_timer, SHORT, false},
    {"CPU timer for a point in time", handle_ticks, set_clocks, look_timer_point, SHORT, false},
    {"sleep by a CPU clock", NULL, set_clocks, look_sleep_point, SHORT, false},
    {"timer for a thread", handle_ticks, set_thread_timer, look_thread_timer, SHORT, false},
    {"system time, asked for the first time", NULL, set_system_time, look_usage, LATE, true},
    {0},
};
