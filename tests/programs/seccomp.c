/* Restricts its own system calls to what it needs without the shim, and goes on: a call that somebody makes behind its
 * back is its death. seccomp HOW FILTER END:
 *
 *   HOW      prctl, syscall, or everywhere: syscall for all threads that there are
 *   FILTER   strict: no more than SECCOMP_MODE_STRICT leaves, and exit_group; log: not what a log might need
 *   END      exit, _exit, linger, fork, children, thread, sysconf or tie */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *text)
{
    if (write(1, text, strlen(text)) != (ssize_t)strlen(text))
        _exit(99);
}

static void *task(void *arg)
{
    say("thread\n");
    return arg;
}

static void one_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, task, NULL) == 0)
        pthread_join(thread, NULL);
}

/* A call that managed mode does not manage, and that libc refuses: see downgrades.c. */
static __thread volatile char ballast[2 * 16384];

static void call(void)
{
    static char stack[16384] __attribute__((aligned(4096)));
    pthread_attr_t too_small;
    pthread_t thread;
    ballast[0] = 1;
    pthread_attr_init(&too_small);
    if (pthread_attr_setstack(&too_small, stack, sizeof stack) ||
        pthread_create(&thread, &too_small, task, NULL) != EINVAL)
        _exit(96);
    pthread_attr_destroy(&too_small);
}

/* ---- filters ---- */

static const int strict[] = {SYS_read, SYS_write, SYS_exit, SYS_exit_group, SYS_rt_sigreturn};
/* libc itself calls madvise() when a thread ends: it is last, so that it can be left out. */
static const int log_calls[] = {SYS_sched_getattr, SYS_getpid,          SYS_statx,    SYS_poll,
                                SYS_ppoll,         SYS_rt_sigtimedwait, SYS_pwritev2, SYS_readlink,
                                SYS_readlinkat,    SYS_sigaltstack,     SYS_writev,   SYS_process_vm_readv,
                                SYS_gettid,        SYS_madvise};

/* Listed calls give `listed`, others `other`. */
static void install(const char *how, const int *calls, size_t count, unsigned listed, unsigned other)
{
    struct sock_filter code[64];
    size_t length = 0;
    code[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, other);
    struct sock_fprog program = {(unsigned short)length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _exit(98);
    long failed;
    if (!strcmp(how, "prctl"))
        failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    else
        failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                         strcmp(how, "everywhere") ? 0 : SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (failed)
        _exit(97);
}

/* ---- ends ---- */

/* Half a second without a system call: longer than a parked thread is kept if UNIRUN_IDLE_MS is small. */
static void linger(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 500000000L);
}

static void one_fork(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    say(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 ? "fork\n" : "no fork\n");
}

static int child_of_clone(void *arg)
{
    (void)arg;
    prctl(PR_SET_TIMERSLACK, 1);
    one_thread();
    return 3;
}

/* With threads of their own, and changed. */
static void some_children(void)
{
    static char stack[256 * 1024] __attribute__((aligned(64)));
    int status = -1;
    pid_t pid = _Fork();
    if (pid == 0)
        _exit(child_of_clone(NULL));
    say(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 ? "_Fork\n" : "no _Fork\n");
    pid = clone(child_of_clone, stack + sizeof stack, SIGCHLD, NULL);
    say(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 ? "clone\n" : "no clone\n");
}

/* Calls that name a thread, for which we look at our own; and a second filter. */
static void tie(pid_t self)
{
    struct f_owner_ex owner = {F_OWNER_TID, self};
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    cpu_set_t set;
    say(fcntl(1, F_SETOWN_EX, &owner) == 0 ? "owner\n" : "no owner\n");
    sched_getaffinity(0, sizeof set, &set);
    say(sched_setaffinity(self, sizeof set, &set) == 0 ? "affinity\n" : "no affinity\n");
    say(tgkill(self, self, 0) == 0 ? "signal\n" : "no signal\n");
    setrlimit(RLIMIT_AS, &limit);
    install("prctl", log_calls, sizeof log_calls / sizeof *log_calls - 1, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
}

static pid_t self;

static void end(const char *how)
{
    if (!strcmp(how, "_exit"))
        _exit(7);
    if (!strcmp(how, "linger"))
        linger();
    else if (!strcmp(how, "fork"))
        one_fork();
    else if (!strcmp(how, "children"))
        some_children();
    else if (!strcmp(how, "thread"))
        one_thread();
    else if (!strcmp(how, "sysconf"))
        for (int i = 0; i < 100; i++)
            sysconf(_SC_NPROCESSORS_ONLN);
    else if (!strcmp(how, "tie"))
        tie(self);
    say("done\n");
    exit(7);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    self = getpid();
    /* So that the log has something left to say, and there is a parked thread. */
    for (int i = 0; i < 25; i++)
        call();
    one_thread();
    if (!strcmp(argv[2], "strict"))
        install(argv[1], strict, sizeof strict / sizeof *strict, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    else
        install(argv[1], log_calls,
                sizeof log_calls / sizeof *log_calls - (!strcmp(argv[3], "thread") || !strcmp(argv[3], "children")),
                SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
    end(argv[3]);
}
