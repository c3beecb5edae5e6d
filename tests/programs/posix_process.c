/* Processes and threads: forks in threads, and the ways in which a process ends. */
#include "posix_cases.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/fsuid.h>
#include <sys/mman.h>

extern char **environ;

static void *quick(void *arg)
{
    return arg;
}

static void warm(void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        threads[i] = start(quick, NULL);
    for (int i = 0; i < 6; i++)
        join(threads[i]);
    pause_ms(2);
}

static const char *status_name(int status)
{
    static _Thread_local char text[32];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
    return text;
}

static void say_wait(const char *what, pid_t child)
{
    int status = -1;
    if (waitpid(child, &status, 0) != child)
        say("%s: waitpid: %s", what, name_of(errno));
    else
        say("%s: %s", what, status_name(status));
}

static void at_exit(void)
{
    say("atexit handler");
}

static void at_exit_thread(void)
{
    say("atexit handler's thread: %ld", (long)run_in_thread(quick, (void *)61));
}

/* ---- fork in a thread ---- */

static void *child_returns(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        atexit(at_exit);
        return arg; /* the process's last thread ends: so does the process */
    }
    say_wait("child returned", child);
    return arg;
}

static void *child_exits_thread(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        atexit(at_exit);
        pthread_exit(arg);
    }
    say_wait("child called pthread_exit", child);
    return arg;
}

static void *outlive(void *arg)
{
    pause_ms(30);
    say("a thread of the child's ends");
    return arg;
}

static void *child_makes_threads(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        atexit(at_exit);
        for (long i = 0; i < 50; i++)
            EXPECT(run_in_thread(quick, (void *)i) == (void *)i);
        warm();
        pthread_detach(start(outlive, NULL));
        start(quick, NULL); /* never joined */
        return arg;
    }
    say_wait("child made threads and returned", child);
    return arg;
}

static void *child_forks(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        run_in_thread(child_returns, NULL);
        run_in_thread(child_makes_threads, NULL);
        return arg;
    }
    say_wait("child forked", child);
    return arg;
}

static void *child_exits(void *arg)
{
    pid_t child = fork();
    if (child == 0)
        exit(5);
    say_wait("child called exit", child);
    return arg;
}

static void *child_under_fork(void *arg)
{
    pid_t child = _Fork();
    if (child == 0) {
        alarm(20);
        EXPECT(run_in_thread(quick, (void *)3) == (void *)3);
        _exit(6);
    }
    say_wait("child of _Fork", child);
    return arg;
}

static void *child_raw(void *arg)
{
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0)
        _exit(7);
    say_wait("child of raw fork", child);
    return arg;
}

static void *child_vfork(void *arg)
{
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 8", NULL);
        _exit(99);
    }
    say_wait("child of vfork", child);
    return arg;
}

static void *child_spawned(void *arg)
{
    pid_t child;
    char *const argv[] = {"sh", "-c", "exit 9", NULL};
    EXPECT(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0);
    say_wait("child of posix_spawn", child);
    EXPECT(posix_spawnp(&child, "sh", NULL, NULL, argv, environ) == 0);
    say_wait("child of posix_spawnp", child);
    say("system: %s", status_name(system("exit 10")));
    FILE *file = popen("exit 11", "r");
    say("popen: %s", status_name(pclose(file)));
    return arg;
}

static void *child_daemon(void *arg)
{
    int ends[2];
    char byte = 0;
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        if (daemon(1, 1) == 0) {
            byte = (char)(long)run_in_thread(quick, (void *)'d');
            EXPECT(write(ends[1], &byte, 1) == 1);
            return arg;
        }
        _exit(1);
    }
    close(ends[1]);
    EXPECT(read(ends[0], &byte, 1) == 1);
    EXPECT(read(ends[0], &ends[1], 1) == 0); /* the daemon ended by itself */
    close(ends[0]);
    say_wait("child of daemon", child);
    say("daemon says %c", byte);
    return arg;
}

static void forks(void)
{
    void *(*const all[])(void *) = {child_returns, child_exits_thread, child_makes_threads, child_forks,
                                    child_exits,   child_under_fork,   child_raw,           child_vfork,
                                    child_spawned, child_daemon};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        warm();
        EXPECT(run_in_thread(all[i], (void *)(i + 1)) == (void *)(i + 1));
        EXPECT(run_in_thread(quick, (void *)2) == (void *)2);
    }
    for (size_t i = 1; i < sizeof all / sizeof *all; i++) /* and from main, which must not return */
        if (i >= 4)
            EXPECT(i == 9 || all[i]((void *)i) == (void *)i);
}

static atomic_int stop;

static void *churn(void *arg)
{
    while (!stop)
        run_in_thread(quick, NULL);
    return arg;
}

/* Children of a process whose other threads come and go all the time. */
static void fork_storm(void)
{
    pthread_t threads[3];
    stop = 0;
    int good = 0;
    for (int i = 0; i < 3; i++)
        threads[i] = start(churn, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(30);
            for (long j = 0; j < 10; j++)
                if (run_in_thread(quick, (void *)j) != (void *)j)
                    _exit(1);
            if (i % 2)
                _exit(0);
            pthread_exit(NULL);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (status == 0)
            good++;
        else
            say("child %d: %s", i, status_name(status));
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    say("good children: %d", good);
}

/* ---- a child that wants to die with its parent dies with the thread that made it ---- */

static pid_t with_parent;

static void *make_child(void *arg)
{
    int ends[2];
    char byte;
    EXPECT(pipe(ends) == 0);
    with_parent = fork();
    if (with_parent == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        EXPECT(write(ends[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    EXPECT(read(ends[0], &byte, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    return arg;
}

static void parent_death(void)
{
    warm();
    run_in_thread(make_child, NULL);
    say_wait("its parent thread ended", with_parent);
}

/* ---- ways to end a process; each in a child with used threads ---- */

static void child_of(const char *name, void (*end)(void))
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        atexit(at_exit);
        warm();
        end();
        _exit(99);
    }
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    say_wait(name, child);
    clock_gettime(CLOCK_MONOTONIC, &after);
    EXPECT(after.tv_sec - before.tv_sec < 10);
}

static pthread_t main_id;

static void end_by_exit(void)
{
    exit(21);
}

static void end_by_quick_exit(void)
{
    EXPECT(at_quick_exit(at_exit_thread) == 0);
    quick_exit(22);
}

static void end_by_underscore_exit(void)
{
    _exit(23);
}

static void end_by_abort(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    abort();
}

static void end_by_kill(void)
{
    kill(getpid(), SIGTERM);
    pause();
}

static void end_by_exit_with_handler(void)
{
    atexit(at_exit_thread);
    exit(24);
}

static void end_by_pthread_exit(void)
{
    pthread_exit((void *)25);
}

static void end_by_pthread_exit_unjoined(void)
{
    start(quick, NULL);
    start(quick, NULL);
    pause_ms(10);
    pthread_exit(NULL);
}

static void end_by_pthread_exit_running(void)
{
    pthread_detach(start(outlive, NULL));
    start(outlive, NULL);
    pthread_exit(NULL);
}

static void *join_main(void *arg)
{
    void *result = NULL;
    int error = pthread_join(main_id, &result);
    say("main joined: %s %ld", name_of(error), (long)result);
    for (long i = 0; i < 20; i++)
        EXPECT(run_in_thread(quick, (void *)i) == (void *)i);
    return arg;
}

static void end_by_pthread_exit_joined(void)
{
    main_id = pthread_self();
    start(join_main, NULL);
    pthread_exit((void *)26);
}

static void end_by_cancel(void)
{
    pthread_cancel(pthread_self());
    pause();
}

static void *cancel_main(void *arg)
{
    pthread_cancel(main_id);
    return join_main(arg);
}

static void end_by_others_cancel(void)
{
    main_id = pthread_self();
    start(cancel_main, NULL);
    for (;;)
        pause();
}

static void end_by_raw_exit(void)
{
    pthread_detach(start(outlive, NULL));
    pause_ms(5);
    syscall(SYS_exit, 27);
}

static void *exit_in_thread(void *arg)
{
    exit((int)(long)arg);
}

static void end_by_threads_exit(void)
{
    run_in_thread(exit_in_thread, (void *)28);
}

static void *underscore_exit_in_thread(void *arg)
{
    _exit((int)(long)arg);
}

static void end_by_threads_underscore_exit(void)
{
    run_in_thread(underscore_exit_in_thread, (void *)29);
}

static void *thread_execs(void *arg)
{
    execl("/bin/sh", "sh", "-c", "exit 30", NULL);
    return arg;
}

static void end_by_exec(void)
{
    execl("/bin/sh", "sh", "-c", "exit 31", NULL);
}

static void end_by_threads_exec(void)
{
    run_in_thread(thread_execs, NULL);
}

static void *crash(void *arg)
{
    prctl(PR_SET_DUMPABLE, 0);
    *(volatile int *)arg = 1;
    return NULL;
}

static void end_by_crash(void)
{
    run_in_thread(crash, NULL);
}

static void ends(void)
{
    child_of("exit", end_by_exit);
    child_of("quick_exit", end_by_quick_exit);
    child_of("_exit", end_by_underscore_exit);
    child_of("abort", end_by_abort);
    child_of("kill", end_by_kill);
    child_of("exit, a handler makes a thread", end_by_exit_with_handler);
    child_of("pthread_exit", end_by_pthread_exit);
    child_of("pthread_exit, others not joined", end_by_pthread_exit_unjoined);
    child_of("pthread_exit, others running", end_by_pthread_exit_running);
    child_of("pthread_exit, main is joined", end_by_pthread_exit_joined);
    child_of("cancel of main", end_by_cancel);
    child_of("cancel of main by another", end_by_others_cancel);
    child_of("raw exit of main", end_by_raw_exit);
    child_of("exit in a thread", end_by_threads_exit);
    child_of("_exit in a thread", end_by_threads_underscore_exit);
    child_of("exec", end_by_exec);
    child_of("exec in a thread", end_by_threads_exec);
    child_of("crash in a thread", end_by_crash);
}

/* ---- a thread that ends without libc ---- */

static void *raw_exit(void *arg)
{
    syscall(SYS_exit, 0);
    return arg;
}

static void raw_exits(void)
{
    for (int i = 0; i < 20; i++) {
        say("raw exit: join %s", name_of(pthread_join(start(raw_exit, NULL), NULL)));
        EXPECT(run_in_thread(quick, (void *)2) == (void *)2);
    }
}

/* ---- credentials ---- */

static void *say_ids(void *arg)
{
    FILE *file = fopen("/proc/thread-self/status", "r");
    char line[128];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0 || strncmp(line, "CapEff", 6) == 0) {
            line[strcspn(line, "\n")] = 0;
            say("%s: %s", (const char *)arg, line);
        }
    if (file)
        fclose(file);
    return arg;
}

static void *set_fsuid(void *arg)
{
    setfsuid(1234);
    return say_ids(arg);
}

static void *raw_setuid(void *arg)
{
    syscall(SYS_setresuid, 1234, 1234, 1234);
    return say_ids(arg);
}

static void *churn_ids(void *arg)
{
    while (!stop)
        run_in_thread(quick, NULL);
    return arg;
}

static void ids_in_child(void)
{
    run_in_thread(set_fsuid, "setfsuid");
    run_in_thread(say_ids, "after setfsuid");
    run_in_thread(raw_setuid, "raw setresuid");
    run_in_thread(say_ids, "after raw setresuid");
    stop = 0;
    pthread_t threads[2] = {start(churn_ids, NULL), start(churn_ids, NULL)};
    for (int i = 0; i < 200; i++)
        EXPECT(getuid() != 0 || (setresuid(0, (uid_t)(1000 + i), 0) == 0 && setresuid(0, 0, 0) == 0));
    stop = 1;
    join(threads[0]);
    join(threads[1]);
    warm();
    if (getuid() == 0)
        EXPECT(setgid(1001) == 0 && setuid(1002) == 0);
    run_in_thread(say_ids, "after setgid and setuid");
    _exit(0);
}

static void ids(void)
{
    child_of("ids", ids_in_child);
}

/* ---- what the kernel grants to processes of one thread only ---- */

static void *unshare_here(void *arg)
{
    say("unshare in a thread: %s", unshare(CLONE_NEWUSER) ? name_of(errno) : "0");
    return arg;
}

/* A joined thread is still in the kernel for a moment: unshare may fail, but not for long. */
static int unshare_soon(void)
{
    int tries = 0;
    while (unshare(CLONE_NEWUSER)) {
        if (errno != EINVAL || ++tries == 500)
            return errno;
        pause_ms(1);
    }
    return 0;
}

static void unshare_soon_in_child(void)
{
    _exit(unshare_soon());
}

static void unshare_at_once_in_child(void)
{
    run_in_thread(quick, NULL);
    _exit(unshare_soon());
}

static void unshare_unjoined_in_child(void)
{
    start(quick, NULL);
    _exit(unshare_soon());
}

static void unshare_detached_in_child(void)
{
    pthread_detach(start(quick, NULL));
    _exit(unshare_soon());
}

static void unshare_with_thread_in_child(void)
{
    pthread_t thread = start(outlive, NULL);
    int error = unshare(CLONE_NEWUSER) ? errno : 0;
    join(thread);
    _exit(error);
}

static void unshare_raw_in_child(void)
{
    pause_ms(50);
    _exit(syscall(SYS_unshare, CLONE_NEWUSER) ? errno : 0);
}

static void unshares(void)
{
    child_of("unshare", unshare_soon_in_child);
    for (int i = 0; i < 20; i++)
        child_of("unshare right after a join", unshare_at_once_in_child);
    child_of("unshare, one ended and not joined", unshare_unjoined_in_child);
    child_of("unshare, one ended detached", unshare_detached_in_child);
    child_of("unshare, one running", unshare_with_thread_in_child);
    child_of("raw unshare", unshare_raw_in_child);
    warm();
    run_in_thread(unshare_here, NULL);
    warm();
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"forks", forks, 2},
        {"fork_storm", fork_storm, 2},
        {"parent_death", parent_death, 3},
        {"ends", ends, 2},
        {"raw_exits", raw_exits, 2},
        {"ids", ids, 2},
        {"unshares", unshares, 1},
        {0},
    };
    return run_cases(argc, argv, cases);
}
