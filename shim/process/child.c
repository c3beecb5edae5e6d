/* Calls that make a process, in managed mode. fork.h tells what happens around each. */
#include <errno.h>
#include <sched.h>
#include <stdint.h>

#include "shim/process/admission.h"
#include "shim/process/complete.h"
#include "shim/process/fork.h"
#include "shim/process/propagate.h"
#include "shim/process/retry.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/team/turn.h"
#include "shim/thread/leave.h"

#define CALLER __builtin_return_address(0)

/* After a fork that is none of a signal handler's: the child may have to wait for a CPU. */
static pid_t forked(pid_t child)
{
    if (child == 0)
        admission_in_child();
    return child;
}

/* Before a child that our code does not run in, but for what it does itself. */
static void before_spawn(void)
{
    fork_mark();
    admission_before_spawn();
    propagate_before_fork();
}

/* libc runs our handlers. */
pid_t managed_fork(void)
{
    struct retry retry = {0};
    pid_t child;
    admission_before_fork();
    propagate_before_fork();
    do
        child = real.fork();
    while (child == -1 && retry_again(&retry, errno));
    if (child)
        retry_done(&retry, child == -1, SYMBOL_fork, CALLER);
    return forked(child);
}

pid_t managed___fork(void)
{
    struct retry retry = {0};
    pid_t child;
    admission_before_fork();
    propagate_before_fork();
    do
        child = real.__fork();
    while (child == -1 && retry_again(&retry, errno));
    if (child)
        retry_done(&retry, child == -1, SYMBOL___fork, CALLER);
    return forked(child);
}

/* Runs no fork handlers, so ours runs here. Made for signal handlers, so it is not asked for twice. */
pid_t managed__Fork(void)
{
    fork_before();
    pid_t child = real._Fork();
    if (child)
        fork_after_in_parent();
    else
        fork_after_in_child();
    return child;
}

void before_vfork(struct call_registers *registers)
{
    (void)registers;
    before_spawn();
}

void before___vfork(struct call_registers *registers)
{
    (void)registers;
    before_spawn();
}

/* clone(2) of libc ends the thread that it makes by a system call of its own, when the function returns. A process ends
 * with its last thread: it must not be a parked one. */
struct cloned {
    int (*run)(void *);
    void *arg;
};

static int run_cloned(void *at)
{
    const struct cloned *cloned = at;
    int status = cloned->run(cloned->arg);
    leave_thread();
    return status;
}

/* A process, or a thread of the program's own making, on a stack of its own. On that there is room for the one as for
 * the other: it is the process's from here on, and nobody else's. */
void before_clone(struct call_registers *registers)
{
    int (*run)(void *) = (int (*)(void *))registers->argument[0];
    uintptr_t stack = registers->argument[1];
    before_spawn();
    if (!run || !stack || registers->argument[2] & CLONE_VM)
        return; /* refused; or it shares our memory, and the pool in it */
    struct cloned *cloned = (struct cloned *)((stack & ~(uintptr_t)15) - sizeof *cloned);
    *cloned = (struct cloned){run, (void *)registers->argument[3]};
    registers->argument[0] = (uintptr_t)run_cloned;
    registers->argument[1] = (uintptr_t)cloned;
    registers->argument[3] = (uintptr_t)cloned;
}

void before___clone(struct call_registers *registers)
{
    before_clone(registers);
}

/* Both versions of both names: 2.2.5 runs a script without "#!" by the shell, 2.15 refuses it. The error is the result.
 */
#define SPAWN(id, is_searched)                                                                                         \
    int managed_##id(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attr, char *const argv[], char *const env[])                             \
    {                                                                                                                  \
        struct retry retry = {0};                                                                                      \
        int error;                                                                                                     \
        char *const *full = COMPLETE(env);                                                                             \
        before_spawn();                                                                                                \
        do                                                                                                             \
            error = real.id(pid, path, actions, attr, argv, full);                                                     \
        while (retry_again(&retry, error));                                                                            \
        retry_done(&retry, error != 0, SYMBOL_##id, CALLER);                                                           \
        if (error && retry.refused)                                                                                    \
            error = retry.error; /* the first attempt may have made what its file actions now find */                  \
        if (!error)                                                                                                    \
            propagate_check(&(struct departure){SYMBOL_##id, CALLER, path, is_searched, env});                         \
        return error;                                                                                                  \
    }
SPAWN(posix_spawn_2_2_5, false)
SPAWN(posix_spawn_2_15, false)
SPAWN(posix_spawnp_2_2_5, true)
SPAWN(posix_spawnp_2_15, true)

/* libc makes it without handlers. */
FILE *managed_popen(const char *command, const char *type)
{
    before_spawn();
    return real.popen(command, type);
}

/* The parent's end is in libc, out of our sight: what the log owes is said before, and the row goes. */
int managed_daemon(int nochdir, int noclose)
{
    report_totals();
    propagate_totals();
    turn_quit();
    return real.daemon(nochdir, noclose);
}
