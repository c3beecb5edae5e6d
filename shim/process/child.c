/* Calls that make a process, in managed mode.
 *
 * A thread that has made one ends for real when its task does: a child may have asked for a signal when the thread that
 * made it ends (PR_SET_PDEATHSIG). In a fork child everything of ours is as at start, by wiped memory. */
#include <errno.h>

#include "shim/process/fork.h"
#include "shim/process/retry.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/worker.h"

#define CALLER __builtin_return_address(0)

static const char made_process[] = "it has made a process";

/* In the child the calling thread's worker is wiped, and this does nothing. */
static pid_t made(pid_t child)
{
    worker_retire_self(made_process);
    return child;
}

pid_t managed_fork(void)
{
    struct retry retry = {0};
    pid_t child;
    do
        child = real.fork();
    while (child == -1 && retry_again(&retry, errno));
    if (child)
        retry_done(&retry, child == -1, SYMBOL_fork, CALLER);
    return made(child);
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
    return made(child);
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
    return made(child);
}

void before_vfork(struct call_registers *registers)
{
    (void)registers;
    worker_retire_self(made_process);
}

void before___vfork(struct call_registers *registers)
{
    (void)registers;
    worker_retire_self(made_process);
}

/* A process, or a thread of the program's own making, on a stack of its own. */
void before_clone(struct call_registers *registers)
{
    (void)registers;
    worker_retire_self(made_process);
}

void before___clone(struct call_registers *registers)
{
    (void)registers;
    worker_retire_self(made_process);
}

/* Both versions of both names: 2.2.5 runs a script without "#!" by the shell, 2.15 refuses it. The error is the result.
 */
#define SPAWN(id)                                                                                                      \
    int managed_##id(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])                            \
    {                                                                                                                  \
        struct retry retry = {0};                                                                                      \
        int error;                                                                                                     \
        worker_retire_self(made_process);                                                                              \
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

/* The parent's end is in libc, out of our sight: what the log owes is said before. */
int managed_daemon(int nochdir, int noclose)
{
    report_totals();
    return real.daemon(nochdir, noclose);
}
