/* Calls after which this program is gone without its destructors having run: what the log still owes is said first. */
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"

int managed_execve(const char *path, char *const argv[], char *const envp[])
{
    report_totals();
    return real.execve(path, argv, envp);
}

int managed_execv(const char *path, char *const argv[])
{
    report_totals();
    return real.execv(path, argv);
}

int managed_execvp(const char *file, char *const argv[])
{
    report_totals();
    return real.execvp(file, argv);
}

int managed_execvpe(const char *file, char *const argv[], char *const envp[])
{
    report_totals();
    return real.execvpe(file, argv, envp);
}

int managed_fexecve(int fd, char *const argv[], char *const envp[])
{
    report_totals();
    return real.fexecve(fd, argv, envp);
}

int managed_execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    report_totals();
    return real.execveat(fd, path, argv, envp, flags);
}

#define BEFORE(name)                                                                                                   \
    void before_##name(struct call_registers *registers)                                                               \
    {                                                                                                                  \
        (void)registers;                                                                                               \
        report_totals();                                                                                               \
    }
BEFORE(execl)
BEFORE(execle)
BEFORE(execlp)
BEFORE(_exit)
BEFORE(_Exit)
