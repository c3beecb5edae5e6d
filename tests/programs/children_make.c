/* make_all(): children in every way, with every use of threads and processes, and with every end. */
#include "children_make.h"

#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>

bool is_child, is_crowded, is_inside_fork, may_end_thread;
static int parents_files;

/* ---- what a child does ---- */

/* The process has gone on without the thread that it began with. */
static bool is_orphaned(void)
{
    char text[512];
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    const char *state = strrchr(text, ')');
    return state && state[2] == 'Z';
}

/* Ends after that, or with the process. */
static void *linger(void *arg)
{
    while (!is_orphaned())
        pause_ms(1);
    say("    a thread of the child's ends");
    return arg;
}

static void use_threads(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 10; i++)
        EXPECT(run_in_thread(quick, (void *)i) == (void *)i);
    for (int i = 0; i < 4; i++)
        threads[i] = start(quick, NULL);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
}

static void use_threads_and_leave_some(void)
{
    use_threads();
    pthread_detach(start(linger, NULL));
    start(quick, NULL);
}

static void *fork_in_thread(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        use_threads();
        return arg;
    }
    say_wait("    grandchild of a thread", child);
    return arg;
}

static void use_forks(void)
{
    pid_t child = fork();
    if (child == 0) {
        use_threads();
        exit(5);
    }
    say_wait("    grandchild", child);
    EXPECT(run_in_thread(fork_in_thread, NULL) == NULL);
}

static void use_openmp(void)
{
    int sum = 0;
#pragma omp parallel num_threads(3) reduction(+ : sum)
    sum++;
    say("    a team of %d", sum);
}

static void use_nothing(void)
{
}

struct use {
    const char *name;
    void (*run)(void);
};
static const struct use uses[] = {
    {"nothing", use_nothing}, {"threads", use_threads},         {"threads left", use_threads_and_leave_some},
    {"forks", use_forks},     {"a team of OpenMP", use_openmp},
};
enum { USES = sizeof uses / sizeof *uses, NOTHING = 0, THREADS = 1, TEAM = 4 };

/* ---- how a child ends ---- */

static void end_by_returning(void)
{
}

static void end_by_exit(void)
{
    exit(11);
}

static void end_by_underscore_exit(void)
{
    _exit(12);
}

static void end_by_quick_exit(void)
{
    quick_exit(13);
}

static void end_by_abort(void)
{
    abort();
}

static void end_by_signal(void)
{
    signal(SIGTERM, SIG_DFL);
    kill(getpid(), SIGTERM);
    pause();
}

static void end_by_exec(void)
{
    execl("/bin/sh", "sh", "-c", "exit 14", NULL);
}

static void end_by_pthread_exit(void)
{
    pthread_exit(NULL);
}

struct end {
    const char *name;
    void (*run)(void);
};
static const struct end ends[] = {
    {"returns", end_by_returning},
    {"exit", end_by_exit},
    {"_exit", end_by_underscore_exit},
    {"quick_exit", end_by_quick_exit},
    {"abort", end_by_abort},
    {"SIGTERM", end_by_signal},
    {"exec", end_by_exec},
    {"pthread_exit", end_by_pthread_exit},
};
enum { ENDS = sizeof ends / sizeof *ends, RETURNS = 0, EXIT = 1, UNDERSCORE_EXIT = 2, PTHREAD_EXIT = 7 };

static const struct use *use;
static const struct end *end;

/* The last of a child's own code: in the thread that ends the process, as that one has left it. */
static void at_childs_end(void)
{
    sigset_t mask;
    int cancellation;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &cancellation);
    say("    exit handler, %s%s", sigismember(&mask, SIGTERM) ? "signals blocked" : "signals",
        cancellation == PTHREAD_CANCEL_ENABLE ? "" : ", cancellation disabled");
}

static void be_child(void)
{
    is_child = true;
    alarm(60);
    if (end == &ends[RETURNS] || end == &ends[EXIT] || end == &ends[PTHREAD_EXIT])
        atexit(at_childs_end);
    EXPECT(count_files() == parents_files);
    use->run();
    end->run();
}

static int be_child_of_clone(void *arg)
{
    (void)arg;
    be_child();
    return 15;
}

/* ---- ways to make one that has memory of its own ---- */

static pid_t by_clone(void)
{
    static char stack[256 * 1024] __attribute__((aligned(64)));
    return clone(be_child_of_clone, stack + sizeof stack, SIGCHLD, NULL);
}

static pid_t by_clone_call(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
}

static pid_t by_clone3(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static pid_t by_fork_call(void)
{
    return (pid_t)syscall(SYS_fork);
}

static int terminal = -1; /* of the child that is being made */

static pid_t by_forkpty(void)
{
    int own = fcntl(1, F_DUPFD_CLOEXEC, 100);
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    if (child == 0)
        dup2(own, 1);
    close(own);
    return child;
}

pid_t __fork(void);

struct way {
    const char *name;
    pid_t (*make)(void);
    bool runs_handlers; /* those of pthread_atfork */
};
static const struct way ways[] = {
    {"fork", fork, true},
    {"__fork", __fork, true},
    {"forkpty", by_forkpty, true},
    {"_Fork", _Fork, false},
    {"clone", by_clone, false},
    {"clone by number", by_clone_call, false},
    {"clone3 by number", by_clone3, false},
    {"fork by number", by_fork_call, false},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void make_one(const struct way *way, const struct use *its_use, const struct end *its_end)
{
    use = its_use;
    end = its_end;
    pid_t child = way->make();
    if (child == 0) {
        be_child();
        return;
    }
    char what[80];
    snprintf(what, sizeof what, "  %s, %s, %s", way->name, use->name, end->name);
    say_wait(what, child);
    if (terminal != -1)
        close(terminal);
    terminal = -1;
}

/* What a program may do. A team's threads wait for the process to end, which must not wait for them. And in a child
 * that no handlers of fork have looked after, other threads' locks are held for good, and libc still counts its
 * parent's threads. */
static bool is_fair(const struct way *way, int its_use, int its_end)
{
    if (its_use == TEAM && (its_end == RETURNS || its_end == PTHREAD_EXIT))
        return false;
    if (its_end == PTHREAD_EXIT && !may_end_thread)
        return false;
    if (way->runs_handlers)
        return true;
    return is_crowded ? its_use == NOTHING && its_end == UNDERSCORE_EXIT : its_end != PTHREAD_EXIT;
}

/* All for fork, a few for the others. */
static bool is_wanted(int way, int its_use, int its_end)
{
    return way == 0 || is_crowded || its_use == THREADS || its_end == (its_use == TEAM ? EXIT : RETURNS);
}

static void make_forked(void)
{
    for (int w = 0; w < WAYS; w++)
        for (int u = 0; u < USES; u++)
            for (int e = 0; e < ENDS; e++) {
                if (is_wanted(w, u, e) && is_fair(&ways[w], u, e))
                    make_one(&ways[w], &uses[u], &ends[e]);
                if (is_child)
                    return;
            }
}

/* ---- ways to make one that becomes another program ---- */

static char *const command[] = {"sh", "-c", "exit 21", NULL};
enum { EXECS = 7 };

static void exec_by(int which)
{
    int file;
    switch (which) {
    case 0:
        execve("/bin/sh", command, environ);
        break;
    case 1:
        execv("/bin/sh", command);
        break;
    case 2:
        execvp("sh", command);
        break;
    case 3:
        execvpe("sh", command, environ);
        break;
    case 4:
        execl("/bin/sh", "sh", "-c", "exit 22", NULL);
        break;
    case 5:
        execle("/bin/sh", "sh", "-c", "exit 23", NULL, environ);
        break;
    case 6:
        file = open("/bin/sh", O_RDONLY | O_CLOEXEC);
        fexecve(file, command, environ);
        break;
    }
    _exit(127);
}

static void make_by_vfork(int which)
{
    pid_t child = vfork();
    if (child == 0)
        exec_by(which);
    say_wait("  vfork, exec", child);
}

static int exec_in_clone(void *arg)
{
    execv("/bin/sh", arg);
    return 127;
}

static void make_sharing(void)
{
    static char stack[256 * 1024] __attribute__((aligned(64)));
    pid_t child = vfork();
    if (child == 0)
        _exit(24);
    say_wait("  vfork, _exit", child);
    child = vfork();
    if (child == 0) {
        execl("/no/such/program", "x", NULL);
        _exit(25);
    }
    say_wait("  vfork, exec of nothing", child);
    child = clone(exec_in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)command);
    say_wait("  clone, memory shared, exec", child);
}

static void make_spawned(void)
{
    pid_t child = 0;
    EXPECT(posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ) == 0);
    say_wait("  posix_spawn", child);
    EXPECT(posix_spawnp(&child, "sh", NULL, NULL, command, environ) == 0);
    say_wait("  posix_spawnp", child);
    say("  posix_spawn of nothing: %s", name_of(posix_spawn(&child, "/no/such/program", NULL, NULL, command, environ)));
}

static void make_by_libc(void)
{
    char line[64] = "";
    say("  system: %s", status_name(system("exit 26")));
    FILE *file = popen("echo from popen; exit 27", "re");
    EXPECT(file && fgets(line, sizeof line, file));
    say("  popen: %.10s, %s", line, status_name(pclose(file)));
}

/* The daemon says how it was when its parent, the child, is gone; its end closes the pipe. */
static void make_daemon(void)
{
    int ends_of[2];
    char byte = 0;
    EXPECT(pipe2(ends_of, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        if (daemon(1, 1) != 0)
            _exit(99);
        use_threads();
        use_forks();
        EXPECT(write(ends_of[1], "d", 1) == 1);
        _exit(0);
    }
    close(ends_of[1]);
    EXPECT(read(ends_of[0], &byte, 1) == 1 && byte == 'd');
    EXPECT(read(ends_of[0], &byte, 1) == 0);
    close(ends_of[0]);
    say_wait("  daemon's parent", child);
}

static void make_execed(void)
{
    for (int i = 0; i < EXECS; i++) {
        pid_t child = fork();
        if (child == 0)
            exec_by(i);
        say_wait("  fork, exec", child);
        make_by_vfork(i);
    }
    make_sharing();
    make_spawned();
    make_by_libc();
    make_daemon();
}

void make_all(void)
{
    alarm(200); /* hundreds of processes: more than a case of threads is given */
    parents_files = count_files();
    make_execed();
    make_forked();
    if (is_child)
        return;
    EXPECT(count_files() == parents_files);
    if (!is_inside_fork)
        EXPECT(waitpid(-1, NULL, 0) == -1 && errno == ECHILD); /* all were waited for */
}
