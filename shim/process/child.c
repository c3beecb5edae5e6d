/* Calls that make a process, in managed mode.
 *
 * A thread that has made one ends for real when its task does: a child may have asked for a signal when the thread that
 * made it ends (PR_SET_PDEATHSIG). In a fork child everything of ours is as at start, by wiped memory. */
#include "shim/thread/fresh.h"
#include "shim/thread/worker.h"
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

/* In the child the calling thread's worker is wiped, and this does nothing. */
static pid_t made(pid_t child)
{
    worker_retire_self();
    return child;
}

pid_t managed_fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL_fork, CALLER);
    return made(real.fork());
}

pid_t managed___fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL___fork, CALLER);
    return made(real.__fork());
}

/* Runs no fork handlers, so ours runs here. */
pid_t managed__Fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL__Fork, CALLER);
    fresh_prefork();
    pid_t child = real._Fork();
    fresh_postfork();
    return made(child);
}

void before_vfork(const struct call_registers *registers)
{
    may_manage(REQUEST_PROCESS, SYMBOL_vfork, registers->caller);
    worker_retire_self();
}

void before___vfork(const struct call_registers *registers)
{
    may_manage(REQUEST_PROCESS, SYMBOL___vfork, registers->caller);
    worker_retire_self();
}

/* Both versions of both names: 2.2.5 runs a script without "#!" by the shell, 2.15 refuses it. */
#define SPAWN(id)                                                                                                      \
    int managed_##id(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])                            \
    {                                                                                                                  \
        may_manage(REQUEST_PROCESS, SYMBOL_##id, CALLER);                                                              \
        worker_retire_self();                                                                                          \
        return real.id(pid, path, actions, attr, argv, envp);                                                          \
    }
SPAWN(posix_spawn_2_2_5)
SPAWN(posix_spawn_2_15)
SPAWN(posix_spawnp_2_2_5)
SPAWN(posix_spawnp_2_15)

int managed_daemon(int nochdir, int noclose)
{
    may_manage(REQUEST_PROCESS, SYMBOL_daemon, CALLER);
    return real.daemon(nochdir, noclose);
}
