/* Signal handlers that ask about another thread, while the thread that they interrupt creates and joins. Both calls may
 * be made in a handler; a lock that the interrupted thread holds must not be in their way. */
#include "posix_cases.h"

enum { THREADS = 20000, PERIOD_NS = 70000 };

static pid_t main_tid;
static clockid_t main_clock;
static atomic_int handled, failed;

static void signal_main(int number)
{
    (void)number;
    failed += tgkill(getpid(), main_tid, 0) != 0;
    handled++;
}

static void read_clock(int number)
{
    struct timespec time;
    (void)number;
    failed += clock_gettime(main_clock, &time) != 0;
    handled++;
}

static void *nothing(void *arg)
{
    return arg;
}

static timer_t interrupt_with(void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    const struct itimerspec period = {{0, PERIOD_NS}, {0, PERIOD_NS}};
    timer_t timer;
    EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
    EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    EXPECT(timer_settime(timer, 0, &period, NULL) == 0);
    return timer;
}

static void churn_under(void (*handler)(int))
{
    timer_t timer = interrupt_with(handler);
    int joined = 0;
    for (int i = 0; i < THREADS; i++)
        joined += run_in_thread(nothing, &handled) == &handled;
    timer_delete(timer);
    say("joined: %d, handled: %s, failed: %d", joined, handled > 10 ? "many" : "few", failed);
}

static void tgkill_in_handler(void)
{
    main_tid = gettid();
    churn_under(signal_main);
}

static void clock_in_handler(void)
{
    EXPECT(pthread_getcpuclockid(pthread_self(), &main_clock) == 0);
    churn_under(read_clock);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"tgkill_in_handler", tgkill_in_handler, 1},
        {"clock_in_handler", clock_in_handler, 1},
        {NULL, NULL, 0},
    };
    return run_cases(argc, argv, cases);
}
