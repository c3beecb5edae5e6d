/* Calls after which this program is gone without its destructors having run. */
#include "shim/domain/turn.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"

/* If the call fails after all, the log counts on from here, and the next team joins the domain again. */
static void leave_program(void)
{
    report_totals();
    turn_quit();
}

int managed_execve(const char *path, char *const argv[], char *const envp[])
{
    leave_program();
    return real.execve(path, argv, envp);
}

int managed_execv(const char *path, char *const argv[])
{
    leave_program();
    return real.execv(path, argv);
}

int managed_execvp(const char *file, char *const argv[])
{
    leave_program();
    return real.execvp(file, argv);
}

int managed_execvpe(const char *file, char *const argv[], char *const envp[])
{
    leave_program();
    return real.execvpe(file, argv, envp);
}

int managed_fexecve(int fd, char *const argv[], char *const envp[])
{
    leave_program();
    return real.fexecve(fd, argv, envp);
}

int managed_execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    leave_program();
    return real.execveat(fd, path, argv, envp, flags);
}

#define BEFORE(name)                                                                                                   \
    void before_##name(struct call_registers *registers)                                                               \
    {                                                                                                                  \
        (void)registers;                                                                                               \
        leave_program();                                                                                               \
    }
BEFORE(execl)
BEFORE(execle)
BEFORE(execlp)
BEFORE(_exit)
BEFORE(_Exit)
