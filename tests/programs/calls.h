/* The same few calls, from wherever the includer makes them: each line says what a call gave. */
#ifndef CALLS_H
#define CALLS_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

extern char **environ;

/* No stdio: the callers may be in a constructor or a fork child. */
static void say(const char *where, const char *what, long value)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s: %s %ld\n", where, what, value);
    if (write(1, line, (size_t)length) != length)
        _exit(99);
}

static inline void *add_one(void *arg)
{
    return (char *)arg + 1;
}

static inline int add_two(void *arg)
{
    return (int)(long)arg + 2;
}

static inline void *exit_three(void *arg)
{
    (void)arg;
    pthread_exit((void *)3);
}

static inline void call_threads(const char *where)
{
    pthread_t thread;
    thrd_t c11;
    void *result = NULL;
    int c11_result = 0;
    pthread_key_t key;
    say(where, "pthread_create", pthread_create(&thread, NULL, add_one, (void *)41));
    say(where, "pthread_join", pthread_join(thread, &result));
    say(where, "result", (long)result);
    say(where, "thrd_create", thrd_create(&c11, add_two, (void *)40));
    say(where, "thrd_join", thrd_join(c11, &c11_result));
    say(where, "result", c11_result);
    pthread_create(&thread, NULL, exit_three, NULL);
    pthread_join(thread, &result);
    say(where, "pthread_exit", (long)result);
    say(where, "key_create", pthread_key_create(&key, NULL));
    say(where, "key_delete", pthread_key_delete(key));
    say(where, "self kill 0", pthread_kill(pthread_self(), 0));
    say(where, "setname", pthread_setname_np(pthread_self(), "renamed"));
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    say(where, "name is new", strcmp(name, "renamed") == 0);
    say(where, "syscall", syscall(SYS_getpid) == getpid());
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    say(where, "setaffinity", sched_setaffinity(0, sizeof set, &set));
}

static inline void call_processes(const char *where)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    waitpid(pid, &status, 0);
    say(where, "fork child", WEXITSTATUS(status));
    pid = vfork();
    if (pid == 0)
        _exit(8);
    waitpid(pid, &status, 0);
    say(where, "vfork child", WEXITSTATUS(status));
    pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    say(where, "vfork and exec", WEXITSTATUS(status));
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 10", NULL};
    say(where, "posix_spawn", posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
    waitpid(pid, &status, 0);
    say(where, "spawned", WEXITSTATUS(status));
    say(where, "posix_spawnp", posix_spawnp(&pid, "sh", NULL, NULL, argv, environ));
    waitpid(pid, &status, 0);
    say(where, "spawned", WEXITSTATUS(status));
    say(where, "spawn of nothing", posix_spawn(&pid, "/does/not/exist", NULL, NULL, argv, environ));
    say(where, "system", WEXITSTATUS(system("exit 11")));
    errno = 0;
    long failed = execve("/does/not/exist", argv, environ);
    say(where, "execve of nothing", failed);
    say(where, "errno", errno);
}

static inline void call_counts(const char *where)
{
    say(where, "counts agree", sysconf(_SC_NPROCESSORS_ONLN) == get_nprocs() && get_nprocs() > 0);
    say(where, "conf agrees", sysconf(_SC_NPROCESSORS_CONF) == get_nprocs_conf());
    say(where, "page size", sysconf(_SC_PAGESIZE));
}

static inline void call_all(const char *where)
{
    call_threads(where);
    call_processes(where);
    call_counts(where);
}

#endif
