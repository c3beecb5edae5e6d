/* A child is as if freshly started: nothing of what its parent's threads were, or were doing, is left in it; and
 * nothing that a child does in its parent's memory is taken for the parent's own doing. */
#include "children.h"

#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>

static pid_t by_number(void)
{
    return (pid_t)syscall(SYS_fork);
}

static const struct way {
    const char *name;
    pid_t (*make)(void);
} ways[] = {{"fork", fork}, {"_Fork", _Fork}, {"fork by number", by_number}};
enum { WAYS = sizeof ways / sizeof *ways };
static int ways_used = WAYS;

/* Runs `be` in a child made by a thread in each way. */
static void (*be)(void);

static void *make_children(void *arg)
{
    for (int i = 0; i < ways_used; i++) {
        pid_t child = ways[i].make();
        if (child == 0) {
            alarm(20);
            be();
            _exit(0);
        }
        say_wait(ways[i].name, child);
    }
    return arg;
}

static void children_of_thread(void (*child)(void))
{
    be = child;
    warm();
    run_in_thread(make_children, NULL);
}

/* ---- the thread that forked is the child's first ---- */

static pthread_t first;
static atomic_int step;

static void *cancel_first(void *arg)
{
    pthread_cancel(first);
    EXPECT(pthread_join(first, NULL) == 0);
    warm();
    say("  the first thread was cancelled");
    return arg;
}

static void be_cancelled(void)
{
    first = pthread_self();
    warm();
    start(cancel_first, NULL);
    for (;;)
        pause();
}

/* Not where libc does not know that the child's thread is another one. */
static void first_is_cancelled(void)
{
    ways_used = WAYS - 1;
    children_of_thread(be_cancelled);
}

static int cpus_of_thread(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) ? -1 : CPU_COUNT(&set);
}

static void *count_own_cpus(void *arg)
{
    (void)arg;
    return (void *)(long)cpus_of_thread();
}

/* By number: the process's is that of its first thread. */
static void *bind_first(void *arg)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&set) > 1; cpu++)
        CPU_CLR(cpu, &set);
    EXPECT(sched_setaffinity(getpid(), sizeof set, &set) == 0);
    return arg;
}

static void be_bound(void)
{
    warm();
    int all = cpus_of_thread(), before = (int)(long)run_in_thread(count_own_cpus, NULL);
    run_in_thread(bind_first, NULL);
    int after = (int)(long)run_in_thread(count_own_cpus, NULL);
    say("  a thread's CPUs: %s, then %s", before == all ? "all" : "others", after == 1 ? "one" : "not one");
}

static void first_is_bound(void)
{
    children_of_thread(be_bound);
}

/* ---- a detached thread is a detached one in its child ---- */

static void say_detached(void)
{
    pthread_attr_t attr;
    int state = -1;
    EXPECT(pthread_getattr_np(pthread_self(), &attr) == 0);
    EXPECT(pthread_attr_getdetachstate(&attr, &state) == 0);
    pthread_attr_destroy(&attr);
    say("  %s, detach: %s", state == PTHREAD_CREATE_DETACHED ? "detached" : "joinable",
        name_of(pthread_detach(pthread_self())));
}

static void *make_children_detached(void *arg)
{
    pthread_detach(pthread_self());
    make_children(arg);
    step = 1;
    return arg;
}

static void *make_children_from_start(void *arg)
{
    make_children(arg);
    step = 1;
    return arg;
}

static void detached(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    be = say_detached;
    warm();
    step = 0;
    start(make_children_detached, NULL);
    wait_for(&step, 1);
    step = 0;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    EXPECT(try_start(&thread, &attr, make_children_from_start, NULL) == 0);
    wait_for(&step, 1);
}

/* ---- the parent's threads ---- */

static pthread_t ended, running;

static void *until_told(void *arg)
{
    wait_for(&step, 1);
    return arg;
}

/* libc lets a child join them: they are not there any more. */
static void be_joiner(void)
{
    void *result = NULL;
    int error = pthread_join(ended, &result);
    say("  join of one that had ended: %s %ld", name_of(error), (long)result);
    say("  join of one that was running: %s", name_of(pthread_join(running, NULL)));
}

static void others(void)
{
    warm();
    step = 0;
    running = start(until_told, NULL);
    ended = start(quick, (void *)7);
    pause_ms(30); /* so that it has ended also for libc */
    be = be_joiner;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        be_joiner();
        _exit(0);
    }
    say_wait("fork", child);
    say("parent: %ld", (long)join(ended));
    step = 1;
    join(running);
}

/* ---- children in the parent's memory ---- */

static char cloned_stack[256 * 1024] __attribute__((aligned(64)));

static int change_itself(void *arg)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    sched_setaffinity(0, sizeof set, &set);
    setpriority(PRIO_PROCESS, 0, 5);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unshare(CLONE_FS);
    signal(SIGPIPE, SIG_DFL);
    if (arg)
        syscall(SYS_exit, 3);
    execl("/bin/true", "true", NULL);
    return 1;
}

static pid_t vfork_and_change(void)
{
    pid_t child = vfork();
    if (child == 0) {
        sched_yield();
        change_itself(NULL);
        _exit(1);
    }
    return child;
}

/* Threads that come after are still made from used ones. */
static void sharers(void)
{
    warm();
    for (int i = 0; i < 30; i++) {
        say_wait("vfork", vfork_and_change());
        say_wait("clone", clone(change_itself, cloned_stack + sizeof cloned_stack, CLONE_VM | CLONE_VFORK | SIGCHLD,
                                (void *)(long)(i % 2)));
        warm();
    }
}

/* Many at once. */
static void *vfork_many(void *arg)
{
    char *const argv[] = {(char *)"true", NULL};
    for (int i = 0; i < 25; i++) {
        int status = -1;
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", argv);
            _exit(1);
        }
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        EXPECT(posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ) == 0);
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        EXPECT(run_in_thread(quick, arg) == arg);
    }
    return arg;
}

static void vforks(void)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        threads[i] = start(vfork_many, &threads[i]);
    for (int i = 0; i < 8; i++)
        EXPECT(join(threads[i]) == &threads[i]);
    say("vforks done");
}

/* ---- forks inside forks ---- */

static int depth;

static void fork_again(void)
{
    if (depth++ < 3) {
        pid_t child = fork();
        if (child == 0) {
            warm();
            exit(4);
        }
        say_wait("inside", child);
    }
    depth--;
}

static void *churn(void *arg)
{
    while (!step)
        run_in_thread(quick, NULL);
    return arg;
}

static void nested(void)
{
    static bool registered;
    pthread_t churning[4];
    step = 0;
    if (!registered)
        pthread_atfork(fork_again, NULL, NULL);
    registered = true;
    warm();
    for (int i = 0; i < 4; i++)
        churning[i] = start(churn, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            warm();
            exit(0);
        }
        say_wait("outside", child);
    }
    step = 1;
    for (int i = 0; i < 4; i++)
        join(churning[i]);
}

/* A handler may make as many threads as it likes, one after the other. */
static int most_threads;

static int count_threads(void)
{
    char line[128];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    if (file)
        fclose(file);
    return count;
}

static void make_threads(void)
{
    for (int i = 0; i < 500; i++) {
        run_in_thread(quick, NULL);
        int count = count_threads();
        if (count > most_threads)
            most_threads = count;
    }
}

static void threads_in_handler(void)
{
    warm();
    pthread_atfork(make_threads, NULL, NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    say_wait("fork", child);
    say("threads at a time: %s", most_threads < 100 ? "few" : "many");
}

/* As early as that: before the shim has anything to do with threads. */
static void threads_in_early_handler(void)
{
    pthread_atfork(make_threads, NULL, NULL);
    warm();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    say_wait("fork", child);
    say("threads at a time: %s", most_threads < 100 ? "few" : "many");
}

/* ---- a handler that makes children, whatever it has interrupted ---- */

enum { STORM = 400, STORM_PERIOD_NS = 500000 };
static atomic_int storm, storm_over;
static int storm_wrong;

static int leave_storm(void *arg)
{
    (void)arg;
    return 9;
}

/* What POSIX allows in the child of a handler. */
static void make_in_storm(int number)
{
    int saved = errno, status = -1;
    pid_t child;
    (void)number;
    switch (storm++ % 4) {
    case 0:
        child = _Fork();
        break;
    case 1:
        child = by_number();
        break;
    case 2:
        child = vfork();
        break;
    default:
        child = clone(leave_storm, cloned_stack + sizeof cloned_stack, SIGCHLD, NULL);
    }
    if (child == 0)
        _exit(9);
    if (waitpid(child, &status, 0) != child || status != 9 << 8)
        storm_wrong++;
    errno = saved;
    storm_over++;
}

/* Some are not joined before the next ones have ended, and some never are. */
static void *churn_in_storm(void *arg)
{
    while (storm < STORM) {
        pthread_t threads[5];
        for (int i = 0; i < 5; i++)
            threads[i] = start(quick, NULL);
        for (int i = 0; i < 5; i++)
            if (i == 2)
                pthread_detach(threads[i]);
            else
                join(threads[i]);
    }
    return arg;
}

static void in_storm(void)
{
    const struct sigaction action = {.sa_handler = make_in_storm, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    const struct itimerspec period = {{0, STORM_PERIOD_NS}, {0, STORM_PERIOD_NS}};
    timer_t timer;
    storm = storm_over = storm_wrong = 0;
    EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
    EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    EXPECT(timer_settime(timer, 0, &period, NULL) == 0);
    pthread_t other = start(churn_in_storm, NULL);
    churn_in_storm(NULL);
    join(other);
    timer_delete(timer);
    signal(SIGUSR1, SIG_IGN);
    while (storm_over != storm) /* a detached thread may be in its handler */
        sched_yield();
    say("children of handlers: %d wrong", storm_wrong);
    EXPECT(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

/* ---- generations: each makes threads, forks in one, and ends ---- */

static long resident_memory(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * 4;
}

enum { GENERATIONS = 150 };

static void *next_generation(void *arg)
{
    long generation = (long)arg;
    pid_t child = fork();
    if (child == 0) {
        static long early;
        alarm(30);
        warm();
        if (generation == 20)
            early = resident_memory();
        if (generation < GENERATIONS) {
            run_in_thread(next_generation, (void *)(generation + 1));
            _exit(0);
        }
        long more = resident_memory() - early;
        say("generations grow: %s", more < 1024 ? "no" : "yes");
        if (more >= 1024)
            say("by %ld KiB", more);
        _exit(0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    return NULL;
}

static void generations(void)
{
    warm();
    run_in_thread(next_generation, (void *)0);
}

/* ---- a signal when the thread that made the child ends (PR_SET_PDEATHSIG) ---- */

static char self[256], ready_end[16];
static int ready[2];

/* The child, in this program or after exec. */
static void await_death(int file)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    EXPECT(write(file, "x", 1) == 1);
    alarm(20);
    for (;;)
        pause();
}

static pid_t made;
static FILE *opened;

static void await_ready(int file)
{
    char byte;
    EXPECT(read(file, &byte, 1) == 1);
}

static void exec_self(void)
{
    execl(self, "children_state", "await_death", ready_end, NULL);
    _exit(99);
}

static void *fork_mortal(void *arg)
{
    made = ways[(long)arg].make();
    if (made == 0)
        await_death(ready[1]);
    await_ready(ready[0]);
    return arg;
}

static void *vfork_mortal(void *arg)
{
    made = vfork();
    if (made == 0)
        exec_self();
    await_ready(ready[0]);
    return arg;
}

static void *spawn_mortal(void *arg)
{
    char *const argv[] = {(char *)"children_state", (char *)"await_death", ready_end, NULL};
    EXPECT(posix_spawn(&made, self, NULL, NULL, argv, environ) == 0);
    await_ready(ready[0]);
    return arg;
}

static void *popen_mortal(void *arg)
{
    char command[300];
    snprintf(command, sizeof command, "exec %s await_death 1", self);
    opened = popen(command, "re");
    await_ready(fileno(opened));
    return arg;
}

static int run_mortal(void *arg)
{
    (void)arg;
    await_death(ready[1]);
    return 0;
}

static void *clone_mortal(void *arg)
{
    made = clone(run_mortal, cloned_stack + sizeof cloned_stack, SIGCHLD, NULL);
    await_ready(ready[0]);
    return arg;
}

/* The thread has ended for the one who joins it, and perhaps been used again: the child is signalled. One that main has
 * made is not. */
static void mortals(void)
{
    static void *(*const all[])(void *) = {fork_mortal,  fork_mortal,  fork_mortal,
                                           vfork_mortal, spawn_mortal, clone_mortal};
    EXPECT(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    EXPECT(pipe(ready) == 0);
    snprintf(ready_end, sizeof ready_end, "%d", ready[1]);
    fork_mortal((void *)0);
    pid_t of_main = made;
    for (long i = 0; i < (long)(sizeof all / sizeof *all); i++) {
        warm();
        run_in_thread(all[i], (void *)i);
        warm();
        say_wait("its thread ended", made);
    }
    run_in_thread(popen_mortal, NULL);
    warm();
    say("popen, its thread ended: %s", status_name(pclose(opened)));
    EXPECT(waitpid(of_main, NULL, WNOHANG) == 0);
    kill(of_main, SIGKILL);
    say_wait("main goes on", of_main);
    close(ready[0]);
    close(ready[1]);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "await_death") == 0)
        await_death(atoi(argv[2]));
    static const struct one cases[] = {
        {"first_is_cancelled", first_is_cancelled, 2},
        {"first_is_bound", first_is_bound, 2},
        {"detached", detached, 2},
        {"others", others, 2},
        {"sharers", sharers, 1},
        {"vforks", vforks, 1},
        {"nested", nested, 1},
        {"threads_in_handler", threads_in_handler, 1},
        {"threads_in_early_handler", threads_in_early_handler, 1},
        {"in_storm", in_storm, 2},
        {"generations", generations, 1},
        {"mortals", mortals, -2},
        {0},
    };
    return run_cases(argc, argv, cases);
}
