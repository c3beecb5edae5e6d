/* Thread attributes, and what can be asked about a thread. */
#include "posix_cases.h"

#include <sys/resource.h>

#include <alloca.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>

static size_t expect_size, expect_guard;
static int expect_detached;
static atomic_int done;

static void *look(void *arg)
{
    pthread_attr_t attr;
    void *low;
    size_t size, guard;
    int detach;
    char here;
    EXPECT(pthread_getattr_np(pthread_self(), &attr) == 0);
    EXPECT(pthread_attr_getstack(&attr, &low, &size) == 0);
    EXPECT(pthread_attr_getguardsize(&attr, &guard) == 0);
    EXPECT(pthread_attr_getdetachstate(&attr, &detach) == 0);
    EXPECT(size >= expect_size);
    EXPECT(guard == expect_guard);
    EXPECT(detach == expect_detached);
    EXPECT(&here > (char *)low && &here < (char *)low + size);
    pthread_attr_destroy(&attr);
    /* All of it can be used. */
    size_t left = (size_t)(&here - (char *)low);
    if (left > 16384) {
        // cppcheck-suppress allocaCalled ; the stack is what this is about
        volatile char *deep = alloca(left - 12288);
        for (size_t i = 0; i < left - 12288; i += 4096)
            deep[i] = 1;
    }
    done++;
    return arg;
}

static void try_attr(const pthread_attr_t *attr)
{
    pthread_t thread;
    int detach = PTHREAD_CREATE_JOINABLE;
    for (int i = 0; i < 4; i++) {
        if (attr)
            pthread_attr_getdetachstate(attr, &detach);
        expect_detached = detach;
        done = 0;
        int error = try_start(&thread, attr, look, NULL);
        if (error) {
            say("create: %s", name_of(error));
            return;
        }
        if (detach == PTHREAD_CREATE_JOINABLE)
            join(thread);
        else
            wait_for(&done, 1);
    }
}

static void stacks(void)
{
    const size_t sizes[] = {(size_t)PTHREAD_STACK_MIN, 65536, 100000, 1 << 20, 2 << 20, 8 << 20, 64 << 20};
    static const size_t guards[] = {0, 1, 4096, 65536};
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_getstacksize(&attr, &expect_size);
    pthread_attr_getguardsize(&attr, &expect_guard);
    try_attr(NULL);
    try_attr(&attr);
    for (int detached = 0; detached < 2; detached++) {
        pthread_attr_setdetachstate(&attr, detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t g = 0; g < sizeof guards / sizeof *guards; g++) {
                EXPECT(pthread_attr_setstacksize(&attr, sizes[i]) == 0);
                EXPECT(pthread_attr_setguardsize(&attr, guards[g]) == 0);
                expect_size = sizes[i] & ~(size_t)4095;
                expect_guard = (guards[g] + 4095) & ~(size_t)4095;
                try_attr(&attr);
            }
    }
    pthread_attr_destroy(&attr);
    say("stacks of all sizes");
}

static void own_stack(void)
{
    enum { SIZE = 1 << 18 };
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, memory, SIZE);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        expect_size = SIZE;
        expect_guard = 0;
        expect_detached = PTHREAD_CREATE_JOINABLE;
        EXPECT(try_start(&thread, &attr, look, NULL) == 0);
        EXPECT((char *)thread > memory && (char *)thread < memory + SIZE);
        join(thread);
    }
    pthread_attr_destroy(&attr);
    /* Nobody runs there any more. */
    munmap(memory, SIZE);
    pthread_attr_init(&attr);
    pthread_attr_getguardsize(&attr, &expect_guard);
    pthread_attr_destroy(&attr);
    run_in_thread(look, NULL);
    say("own stack");
}

static void defaults(void)
{
    static pthread_attr_t old;
    pthread_attr_t attr;
    pthread_getattr_default_np(&old);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 3 << 20);
    pthread_attr_setguardsize(&attr, 8192);
    say("set default: %s", name_of(pthread_setattr_default_np(&attr)));
    expect_size = 3 << 20;
    expect_guard = 8192;
    try_attr(NULL);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    say("set a detached default: %s", name_of(pthread_setattr_default_np(&attr)));
    pthread_attr_destroy(&attr);
    say("set it back: %s", name_of(pthread_setattr_default_np(&old)));
    pthread_attr_getstacksize(&old, &expect_size);
    pthread_attr_getguardsize(&old, &expect_guard);
    try_attr(NULL);
}

/* ---- scheduling and affinity ---- */

static void *say_scheduling(void *arg)
{
    struct sched_param param;
    int policy;
    cpu_set_t set;
    EXPECT(pthread_getschedparam(pthread_self(), &policy, &param) == 0);
    sched_getaffinity(0, sizeof set, &set);
    say("%s: policy %d, priority %d, kernel's policy %d, CPUs %d", (const char *)arg, policy, param.sched_priority,
        sched_getscheduler(0), CPU_COUNT(&set));
    return arg;
}

static void scheduling(void)
{
    pthread_attr_t attr;
    struct sched_param param = {.sched_priority = 1};
    pthread_t thread;
    cpu_set_t one;
    CPU_ZERO(&one);
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    run_in_thread(say_scheduling, "first");
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof one, &one);
    EXPECT(try_start(&thread, &attr, say_scheduling, "affinity") == 0);
    join(thread);
    pthread_attr_destroy(&attr);
    run_in_thread(say_scheduling, "after affinity");
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_RR);
    pthread_attr_setschedparam(&attr, &param);
    int error = try_start(&thread, &attr, say_scheduling, "round robin");
    if (!error)
        join(thread);
    say("create: %s", name_of(error));
    run_in_thread(say_scheduling, "after round robin");
    pthread_attr_destroy(&attr);
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    EXPECT(try_start(&thread, &attr, say_scheduling, "explicit other") == 0);
    join(thread);
    pthread_attr_destroy(&attr);
}

/* ---- names ---- */

static void *say_name(void *arg)
{
    char name[16], kernel[16];
    EXPECT(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
    prctl(PR_GET_NAME, kernel);
    EXPECT(strcmp(name, kernel) == 0);
    say("%s: %s", (const char *)arg, name);
    return arg;
}

static void *rename_self(void *arg)
{
    EXPECT(pthread_setname_np(pthread_self(), arg) == 0);
    run_in_thread(say_name, "of a renamed thread");
    return arg;
}

static void names(void)
{
    run_in_thread(say_name, "first");
    run_in_thread(rename_self, "by pthread");
    run_in_thread(say_name, "then");
    prctl(PR_SET_NAME, "main's name");
    run_in_thread(say_name, "main renamed");
    run_in_thread(rename_self, "another");
    run_in_thread(say_name, "then");
    say("too long: %s", name_of(pthread_setname_np(pthread_self(), "0123456789abcdef")));
    prctl(PR_SET_NAME, "posix");
    run_in_thread(say_name, "main renamed again");
}

/* ---- questions about a thread that has ended ---- */

static void *quick(void *arg)
{
    return arg;
}

static void ended(void)
{
    struct sched_param param = {0};
    pthread_attr_t attr;
    clockid_t clock;
    char name[16];
    int policy;
    pthread_t thread = start(quick, (void *)4);
    pause_ms(20);
    say("getattr: %s", name_of(pthread_getattr_np(thread, &attr)));
    pthread_attr_destroy(&attr);
    say("getschedparam: %s", name_of(pthread_getschedparam(thread, &policy, &param)));
    say("setschedparam: %s", name_of(pthread_setschedparam(thread, SCHED_BATCH, &param)));
    say("setschedprio: %s", name_of(pthread_setschedprio(thread, 0)));
    say("getcpuclockid: %s", name_of(pthread_getcpuclockid(thread, &clock)));
    say("getname: %s", name_of(pthread_getname_np(thread, name, sizeof name)));
    say("setname: %s", name_of(pthread_setname_np(thread, "late")));
    say("join: %ld", (long)join(thread));
    run_in_thread(say_scheduling, "then");
    run_in_thread(say_name, "then");
}

/* libc asks the kernel about thread 0, the calling one, here. No other thread may be changed. */
static void *count_cpus(void *arg)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    say("%s: %d CPUs", (const char *)arg, CPU_COUNT(&set));
    return arg;
}

static void ended_affinity(void)
{
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    pthread_t thread = start(quick, (void *)4);
    pause_ms(20);
    pthread_setaffinity_np(thread, sizeof one, &one);
    join(thread);
    sched_setaffinity(0, sizeof all, &all);
    run_in_thread(count_cpus, "after one that ended");
    run_in_thread(count_cpus, "after one that ended");
}

/* What named a thread that was joined. */
static struct stale {
    clockid_t clock;
    int tid;
} stale;

static void *tell_stale(void *arg)
{
    stale.tid = (int)syscall(SYS_gettid);
    pthread_getcpuclockid(pthread_self(), &stale.clock);
    return arg;
}

static const char *error_of(int result)
{
    return result == -1 ? name_of(errno) : "0";
}

static void stale_numbers(void)
{
    struct timespec time = {0, 0};
    struct sched_param param = {0};
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    run_in_thread(tell_stale, NULL);
    while (syscall(SYS_tgkill, getpid(), stale.tid, 0) == 0)
        pause_ms(1);
    say("clock_gettime: %s", error_of(clock_gettime(stale.clock, &time)));
    say("clock_gettime, own: %s", error_of(clock_gettime(-2 /* of thread 0 */, &time)));
    time = (struct timespec){0, 0};
    say("clock_nanosleep: %s", name_of(clock_nanosleep(stale.clock, TIMER_ABSTIME, &time, NULL)));
    say("timer_create: %s", error_of(timer_create(stale.clock, &event, &timer)));
    say("sched_setaffinity: %s", error_of(sched_setaffinity(stale.tid, sizeof set, &set)));
    say("sched_setscheduler: %s", error_of(sched_setscheduler(stale.tid, SCHED_BATCH, &param)));
    say("sched_setparam: %s", error_of(sched_setparam(stale.tid, &param)));
    say("setpriority: %s", error_of(setpriority(PRIO_PROCESS, (id_t)stale.tid, 1)));
    run_in_thread(say_scheduling, "then");
}

/* By number, what /proc shows of the process. */
static void by_number(void)
{
    run_in_thread(quick, NULL);
    pause_ms(10);
    for (int tid = getpid(); tid < getpid() + 30; tid++)
        if (tid != getpid() && syscall(SYS_tgkill, getpid(), tid, 0) == 0)
            syscall(SYS_sched_setscheduler, tid, SCHED_BATCH, &(struct sched_param){0});
    run_in_thread(say_scheduling, "then");
    run_in_thread(say_scheduling, "then");
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"stacks", stacks, 3},
        {"own_stack", own_stack, 3},
        {"defaults", defaults, 3},
        {"scheduling", scheduling, 3},
        {"names", names, 3},
        {"ended", ended, 3},
        {"ended_affinity", ended_affinity, 3},
        {"stale_numbers", stale_numbers, 3},
        {"by_number", by_number, 3},
        {0},
    };
    return run_cases(argc, argv, cases);
}
