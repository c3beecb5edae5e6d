/* Calls that make a process, in managed mode. */
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

pid_t managed_fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL_fork, CALLER);
    return real.fork();
}

pid_t managed___fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL___fork, CALLER);
    return real.__fork();
}

pid_t managed__Fork(void)
{
    may_manage(REQUEST_PROCESS, SYMBOL__Fork, CALLER);
    return real._Fork();
}

void before_vfork(const struct call_registers *registers)
{
    may_manage(REQUEST_PROCESS, SYMBOL_vfork, registers->caller);
}

void before___vfork(const struct call_registers *registers)
{
    may_manage(REQUEST_PROCESS, SYMBOL___vfork, registers->caller);
}

/* Both versions of both names: 2.2.5 runs a script without "#!" by the shell, 2.15 refuses it. */
#define SPAWN(id)                                                                                                      \
    int managed_##id(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                          \
                     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])                            \
    {                                                                                                                  \
        may_manage(REQUEST_PROCESS, SYMBOL_##id, CALLER);                                                              \
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
