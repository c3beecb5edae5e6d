/* Creating, joining and detaching threads: every result that a program can see. */
#include "posix_cases.h"

#include <sys/resource.h>
#include <threads.h>

static atomic_int gate, gate_tid;

static void *give_back(void *arg)
{
    return arg;
}

static void *wait_gate(void *arg)
{
    gate_tid = (int)syscall(SYS_gettid);
    wait_for(&gate, 1);
    return arg;
}

static pthread_t start_waiting(void *arg)
{
    gate = gate_tid = 0;
    pthread_t thread = start(wait_gate, arg);
    while (!gate_tid)
        pause_ms(1);
    return thread;
}

static void values(void)
{
    for (long i = 0; i < 100; i++)
        EXPECT(run_in_thread(give_back, (void *)i) == (void *)i);
    EXPECT(run_in_thread(give_back, (void *)-1) == (void *)-1);
    say("join without a place: %s", name_of(pthread_join(start(give_back, NULL), NULL)));
    pthread_t many[64];
    for (long i = 0; i < 64; i++)
        many[i] = start(give_back, (void *)i);
    for (long i = 63; i >= 0; i--)
        EXPECT(join(many[i]) == (void *)i);
    errno = 77;
    run_in_thread(give_back, NULL);
    say("errno stays %d", errno);
}

static void *tell_self(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return NULL;
}

/* The id is where it was asked for before the thread runs, and is the thread's own. */
static pthread_t told;
static void *compare_self(void *arg)
{
    (void)arg;
    return (void *)(long)pthread_equal(told, pthread_self());
}

static void identity(void)
{
    for (int i = 0; i < 200; i++) {
        pthread_t inside;
        pthread_t outside = start(tell_self, &inside);
        join(outside);
        EXPECT(pthread_equal(inside, outside));
        EXPECT(pthread_create(&told, NULL, compare_self, NULL) == 0);
        EXPECT(join(told) == (void *)1);
    }
    pthread_t both[2] = {start_waiting(NULL), 0};
    both[1] = start(give_back, NULL);
    say("two live ids are equal: %d", pthread_equal(both[0], both[1]));
    gate = 1;
    join(both[0]);
    join(both[1]);
}

/* ---- errors of join ---- */

static void *join_self(void *arg)
{
    (void)arg;
    say("join itself: %s", name_of(pthread_join(pthread_self(), NULL)));
    say("tryjoin itself: %s", name_of(pthread_tryjoin_np(pthread_self(), NULL)));
    struct timespec past = {1, 0};
    say("timedjoin itself: %s", name_of(pthread_timedjoin_np(pthread_self(), NULL, &past)));
    say("clockjoin itself: %s", name_of(pthread_clockjoin_np(pthread_self(), NULL, CLOCK_MONOTONIC, &past)));
    return NULL;
}

static void self(void)
{
    run_in_thread(join_self, NULL);
    say("main joins itself: %s", name_of(pthread_join(pthread_self(), NULL)));
}

static pthread_t main_id;
static int main_tid;

static void *join_main(void *arg)
{
    wait_for(&gate, 1);
    wait_asleep(main_tid);
    say("a thread joins main, which joins it: %s", name_of(pthread_join(main_id, NULL)));
    return arg;
}

static pthread_t first, second;
static atomic_int ready, ready_tid;

static void *first_joins(void *arg)
{
    if (arg) { /* end for real */
        cpu_set_t set;
        sched_getaffinity(0, sizeof set, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    ready_tid = (int)syscall(SYS_gettid);
    wait_for(&ready, 1);
    return join(second);
}

static void *second_joins(void *arg)
{
    wait_for(&ready, 1);
    wait_asleep(ready_tid);
    say("the second of two that join each other: %s", name_of(pthread_join(first, NULL)));
    return arg;
}

/* POSIX allows EDEADLK here and the manual page promises it; glibc 2.36 itself waits for ever (it never notes who joins
 * whom). So this is not a case to compare. */
static void mutual(void)
{
    gate = 0;
    main_id = pthread_self();
    main_tid = getpid();
    pthread_t thread = start(join_main, (void *)5);
    gate = 1;
    say("and ends with %ld", (long)join(thread));
    for (long changed = 0; changed < 2; changed++) {
        ready = ready_tid = 0;
        first = start(first_joins, (void *)changed);
        second = start(second_joins, (void *)6);
        while (!ready_tid)
            pause_ms(1);
        ready = 1;
        say("the first gets %ld", (long)join(first));
    }
}

static void *join_other(void *arg)
{
    ready_tid = (int)syscall(SYS_gettid);
    return join(*(pthread_t *)arg);
}

/* Undefined by POSIX, EINVAL by the manual page; in glibc 2.36 both join. Not a case to compare. */
static void second_joiner(void)
{
    ready_tid = 0;
    pthread_t thread = start_waiting((void *)7);
    pthread_t joiner = start(join_other, &thread);
    while (!ready_tid)
        pause_ms(1);
    wait_asleep(ready_tid);
    struct timespec past = {1, 0};
    say("second joiner: %s", name_of(pthread_join(thread, NULL)));
    say("second joiner, try: %s", name_of(pthread_tryjoin_np(thread, NULL)));
    say("second joiner, timed: %s", name_of(pthread_timedjoin_np(thread, NULL, &past)));
    say("detach while joined: %s", name_of(pthread_detach(thread)));
    gate = 1;
    say("the first joiner gets %ld", (long)join(joiner));
}

static void detached(void)
{
    pthread_t thread = start_waiting(NULL);
    struct timespec past = {1, 0};
    say("detach: %s", name_of(pthread_detach(thread)));
    say("detach again: %s", name_of(pthread_detach(thread)));
    say("join a detached: %s", name_of(pthread_join(thread, NULL)));
    say("tryjoin a detached: %s", name_of(pthread_tryjoin_np(thread, NULL)));
    say("timedjoin a detached: %s", name_of(pthread_timedjoin_np(thread, NULL, &past)));
    gate = 1;
    pause_ms(5);
}

static void after_join(void)
{
    pthread_t thread = start(give_back, NULL);
    join(thread);
    /* No program may, but libc says so as long as the memory is there, and some programs do. */
    say("join a joined: %s", name_of(pthread_join(thread, NULL)));
    say("tryjoin a joined: %s", name_of(pthread_tryjoin_np(thread, NULL)));
    say("detach a joined: %s", name_of(pthread_detach(thread)));
}

/* ---- with a time limit ---- */

static struct timespec in_ms(clockid_t clock, int ms)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += ms * 1000000L;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void timed(void)
{
    void *result = (void *)-5;
    struct timespec past = {1, 0}, zero = {0, 0}, negative = {-1, 0};
    struct timespec invalid = {1, 1000000000}, invalid2 = {1, -1};
    pthread_t thread = start_waiting((void *)9);
    say("try: %s", name_of(pthread_tryjoin_np(thread, &result)));
    say("timed, past: %s", name_of(pthread_timedjoin_np(thread, &result, &past)));
    say("timed, 0: %s", name_of(pthread_timedjoin_np(thread, &result, &zero)));
    say("timed, negative: %s", name_of(pthread_timedjoin_np(thread, &result, &negative)));
    struct timespec soon = in_ms(CLOCK_REALTIME, 20);
    say("timed, soon: %s", name_of(pthread_timedjoin_np(thread, &result, &soon)));
    EXPECT(in_ms(CLOCK_REALTIME, 0).tv_sec > soon.tv_sec || in_ms(CLOCK_REALTIME, 0).tv_nsec >= soon.tv_nsec);
    say("clock, past: %s", name_of(pthread_clockjoin_np(thread, &result, CLOCK_REALTIME, &past)));
    soon = in_ms(CLOCK_MONOTONIC, 20);
    say("clock, soon: %s", name_of(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon)));
    say("clock, cpu: %s", name_of(pthread_clockjoin_np(thread, &result, CLOCK_PROCESS_CPUTIME_ID, &soon)));
    say("clock, 99: %s", name_of(pthread_clockjoin_np(thread, &result, 99, NULL)));
    say("result untouched: %ld", (long)result);
    gate = 1;
    soon = in_ms(CLOCK_REALTIME, 100000);
    say("timed, later: %s", name_of(pthread_timedjoin_np(thread, &result, &soon)));
    say("result: %ld", (long)result);

    thread = start_waiting((void *)10);
    gate = 1;
    int error;
    while ((error = pthread_tryjoin_np(thread, &result)) == EBUSY)
        pause_ms(1);
    say("try at the end: %s %ld", name_of(error), (long)result);

    thread = start(give_back, (void *)11);
    error = pthread_timedjoin_np(thread, &result, NULL);
    say("timed without a limit: %s %ld", name_of(error), (long)result);
    thread = start(give_back, (void *)12);
    error = pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, NULL);
    say("clock without a limit: %s %ld", name_of(error), (long)result);
    thread = start(give_back, (void *)13);
    pause_ms(30);
    error = pthread_timedjoin_np(thread, &result, &past);
    say("ended, limit past: %s %ld", name_of(error), (long)result);
    thread = start(give_back, (void *)14);
    pause_ms(30);
    error = pthread_timedjoin_np(thread, &result, &invalid);
    say("ended, invalid: %s %ld", name_of(error), (long)result);
    thread = start(give_back, (void *)15);
    pause_ms(30);
    error = pthread_timedjoin_np(thread, &result, &invalid2);
    say("ended, invalid: %s %ld", name_of(error), (long)result);
    thread = start(give_back, (void *)16);
    pause_ms(30);
    say("ended, clock 99: %s", name_of(pthread_clockjoin_np(thread, &result, 99, &past)));
    join(thread);
}

static void many_timeouts(void)
{
    pthread_t thread = start_waiting((void *)3);
    int timeouts = 0;
    for (int i = 0; i < 50; i++) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        timeouts += pthread_timedjoin_np(thread, NULL, &soon) == ETIMEDOUT;
    }
    say("timeouts: %d", timeouts);
    gate = 1;
    say("then: %ld", (long)join(thread));
}

/* ---- interrupted ---- */

static void nothing(int signal)
{
    (void)signal;
}

static void *bother(void *arg)
{
    for (int i = 0; i < 30; i++) {
        pthread_kill(main_id, SIGUSR1);
        pause_ms(1);
    }
    return arg;
}

static void interrupted(void)
{
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    main_id = pthread_self();
    say("join through signals: %ld", (long)run_in_thread(bother, (void *)4));
    struct timespec later = in_ms(CLOCK_REALTIME, 100000);
    void *result;
    say("timedjoin through signals: %s", name_of(pthread_timedjoin_np(start(bother, (void *)4), &result, &later)));
}

/* ---- detach at every moment ---- */

static atomic_int done;

static void *count_done(void *arg)
{
    done++;
    return arg;
}

static void *detach_self(void *arg)
{
    int error = pthread_detach(pthread_self());
    EXPECT(error == 0);
    done++;
    return arg;
}

static void detach(void)
{
    done = 0;
    for (int i = 0; i < 200; i++) {
        pthread_t thread = start(count_done, NULL);
        if (i % 4 == 0)
            pause_ms(1); /* often after the end */
        EXPECT(pthread_detach(thread) == 0);
    }
    for (int i = 0; i < 200; i++)
        start(detach_self, NULL);
    wait_for(&done, 400);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        EXPECT(try_start(&thread, &attr, count_done, NULL) == 0);
    }
    wait_for(&done, 600);
    say("detached tasks: %d", done);
}

static void *join_previous(void *arg)
{
    pthread_t *previous = arg;
    return previous ? (char *)join(*previous) + 1 : (void *)1;
}

static void chain(void)
{
    pthread_t ids[50];
    for (int i = 0; i < 50; i++)
        ids[i] = start(join_previous, i ? &ids[i - 1] : NULL);
    say("chain: %ld", (long)join(ids[49]));
}

/* ---- a new thread by each thread ---- */

static void *nest(void *arg)
{
    long depth = (long)arg;
    return depth ? (char *)run_in_thread(nest, (void *)(depth - 1)) + 1 : NULL;
}

static void nested(void)
{
    for (int i = 0; i < 10; i++)
        EXPECT(run_in_thread(nest, (void *)40) == (void *)40);
    say("nested");
}

static void refused(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)1 << 46);
    say("too large a stack: %s", name_of(try_start(&thread, &attr, give_back, NULL)));
    struct rlimit old, low = {0};
    getrlimit(RLIMIT_AS, &old);
    low = old;
    low.rlim_cur = 16 << 20;
    pause_ms(2);
    setrlimit(RLIMIT_AS, &low);
    pthread_attr_setstacksize(&attr, (size_t)64 << 20);
    int error = pthread_create(&thread, &attr, give_back, NULL);
    setrlimit(RLIMIT_AS, &old);
    say("no memory: %s", name_of(error));
    pthread_attr_destroy(&attr);
    say("afterwards: %ld", (long)run_in_thread(give_back, (void *)1));
}

/* ---- C11 ---- */

static int c11_back(void *arg)
{
    note_task();
    return (int)(long)arg;
}

static int c11_exit(void *arg)
{
    note_task();
    thrd_exit((int)(long)arg + 1);
}

static int c11_pthread_exit(void *arg)
{
    note_task();
    pthread_exit(arg);
}

static int c11_current(void *arg)
{
    *(thrd_t *)arg = thrd_current();
    return thrd_equal(thrd_current(), pthread_self());
}

static void c11(void)
{
    thrd_t thread, inside = 0;
    int result = -1, error;
    void *value = NULL;
    say("thrd_create: %d", thrd_create(&thread, c11_back, (void *)-3));
    say("thrd_join: %d", thrd_join(thread, &result));
    say("result: %d", result);
    thrd_create(&thread, c11_back, (void *)-3);
    say("pthread_join of a thrd: %d", pthread_join(thread, &value));
    say("value: %ld", (long)value);
    thrd_create(&thread, c11_back, (void *)5);
    say("thrd_join without a place: %d", thrd_join(thread, NULL));
    thrd_create(&thread, c11_exit, (void *)5);
    error = thrd_join(thread, &result);
    say("thrd_exit: %d %d", error, result);
    thrd_create(&thread, c11_pthread_exit, (void *)8);
    error = thrd_join(thread, &result);
    say("pthread_exit in a thrd: %d %d", error, result);
    error = thrd_join(start(give_back, (void *)0x700000009L), &result);
    say("thrd_join of a pthread: %d %d", error, result);
    thrd_create(&thread, c11_current, &inside);
    error = thrd_join(thread, &result);
    say("thrd_current: %d %d %d", error, result, thrd_equal(thread, inside) != 0);
    gate = 0;
    thread = start_waiting(NULL);
    say("thrd_detach: %d", thrd_detach(thread));
    say("thrd_detach again: %d", thrd_detach(thread));
    say("thrd_join a detached: %d", thrd_join(thread, NULL));
    gate = 1;
    say("thrd_join itself: %d", thrd_join(thrd_current(), NULL));
    for (int i = 0; i < 200; i++) {
        thrd_create(&thread, c11_back, (void *)(long)i);
        result = -1;
        thrd_join(thread, &result);
        EXPECT(result == i);
    }
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"values", values, 3},
        {"identity", identity, 3},
        {"self", self, 3},
        {"mutual", mutual, -3},
        {"second_joiner", second_joiner, -3},
        {"detached", detached, 3},
        {"after_join", after_join, 3},
        {"timed", timed, 3},
        {"many_timeouts", many_timeouts, 3},
        {"interrupted", interrupted, 3},
        {"detach", detach, 3},
        {"chain", chain, 3},
        {"nested", nested, 3},
        {"refused", refused, 2},
        {"c11", c11, 3},
        {0},
    };
    return run_cases(argc, argv, cases);
}
