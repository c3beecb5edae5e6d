/* Calls that make a process, in managed mode. fork.h tells what happens around each. */
#include <errno.h>
#include <sched.h>
#include <stdint.h>

#include "shim/domain/turn.h"
#include "shim/process/fork.h"
#include "shim/process/retry.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/leave.h"

#define CALLER __builtin_return_address(0)

/* libc runs our handlers. */
pid_t managed_fork(void)
{
    struct retry retry = {0};
    pid_t child;
    do
        child = real.fork();
    while (child == -1 && retry_again(&retry, errno));
    if (child)
        retry_done(&retry, child == -1, SYMBOL_fork, CALLER);
    return child;
}

pid_t managed___fork(void)
{
    struct retry retry = {0};
    pid_t child;
    do
        child = real.__fork();
    while (child == -1 && retry_again(&retry, errno));
    if (child)
        retry_done(&retry, child == -1, SYMBOL___fork, CALLER);
    return child;
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
    fork_mark();
}

void before___vfork(struct call_registers *registers)
{
    (void)registers;
    fork_mark();
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
    fork_mark();
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
#define SPAWN(id)                                                                                                      \
    int managed_##id(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])                            \
    {                                                                                                                  \
        struct retry retry = {0};                                                                                      \
        int error;                                                                                                     \
        fork_mark();                                                                                                   \
        do                                                                                                             \
            error = real.id(pid, path, actions, attr, argv, envp);                                                     \
        while (retry_again(&retry, error));                                                                            \
        retry_done(&retry, error != 0, SYMBOL_##id, CALLER);                                                           \
        return error;                                                                                                  \
    }
SPAWN(posix_spawn_2_2_5)
SPAWN(posix_spawn_2_15)
SPAWN(posix_spawnp_2_2_5)
SPAWN(posix_spawnp_2_15)

/* libc makes it without handlers. */
FILE *managed_popen(const char *command, const char *type)
{
    fork_mark();
    return real.popen(command, type);
}

/* The parent's end is in libc, out of our sight: what the log owes is said before, and the row goes. */
int managed_daemon(int nochdir, int noclose)
{
    report_totals();
    turn_quit();
    return real.daemon(nochdir, noclose);
}
