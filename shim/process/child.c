/* Calls that make a process, in managed mode.
 *
 * A thread that has made one ends for real when its task does: a child may have asked for a signal when the thread that
 * made it ends (PR_SET_PDEATHSIG). In a fork child everything of ours is as at start, by wiped memory. */
#include <errno.h>

#include "shim/process/admission.h"
#include "shim/process/complete.h"
#include "shim/process/fork.h"
#include "shim/process/propagate.h"
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

/* The same, for what is no child of a signal handler: it may have to wait for a CPU. */
static pid_t forked(pid_t child)
{
    made(child);
    if (child == 0)
        admission_in_child();
    return child;
}

/* Before a child that our code does not run in, but for what it does itself. */
static void before_spawn(void)
{
    worker_retire_self(made_process);
    admission_before_spawn();
    propagate_before_fork();
}

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
    return made(child);
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

/* A process, or a thread of the program's own making, on a stack of its own. */
void before_clone(struct call_registers *registers)
{
    (void)registers;
    before_spawn();
}

void before___clone(struct call_registers *registers)
{
    (void)registers;
    before_spawn();
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
        if (!error)                                                                                                    \
            propagate_check(&(struct departure){SYMBOL_##id, CALLER, path, is_searched, env});                         \
        return error;                                                                                                  \
    }
SPAWN(posix_spawn_2_2_5, false)
SPAWN(posix_spawn_2_15, false)
SPAWN(posix_spawnp_2_2_5, true)
SPAWN(posix_spawnp_2_15, true)

/* The parent's end is in libc, out of our sight: what the log owes is said before. */
int managed_daemon(int nochdir, int noclose)
{
    report_totals();
    propagate_totals();
    return real.daemon(nochdir, noclose);
}
