/* Calls after which this program is gone without its destructors having run. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shim/process/admission.h"
#include "shim/process/complete.h"
#include "shim/process/propagate.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/team/turn.h"

#define CALLER __builtin_return_address(0)

/* If the call fails after all, the log counts on from here, and the next team joins the domain again. */
static void leave_program(bool becomes_another)
{
    report_totals();
    propagate_totals();
    admission_end(becomes_another);
    turn_quit();
}

/* ---- exec ---- */

#define LEAVE(...)                                                                                                     \
    propagate_check(&(struct departure){__VA_ARGS__});                                                                 \
    leave_program(true)

int managed_execve(const char *path, char *const argv[], char *const env[])
{
    LEAVE(SYMBOL_execve, CALLER, path, false, env);
    char *const *full = COMPLETE(env);
    return real.execve(path, argv, full);
}

int managed_execv(const char *path, char *const argv[])
{
    LEAVE(SYMBOL_execv, CALLER, path, false, environ);
    char *const *full = COMPLETE(environ);
    return real.execve(path, argv, full);
}

int managed_execvp(const char *file, char *const argv[])
{
    LEAVE(SYMBOL_execvp, CALLER, file, true, environ);
    char *const *full = COMPLETE(environ);
    return real.execvpe(file, argv, full);
}

int managed_execvpe(const char *file, char *const argv[], char *const env[])
{
    LEAVE(SYMBOL_execvpe, CALLER, file, true, env);
    char *const *full = COMPLETE(env);
    return real.execvpe(file, argv, full);
}

/* "/proc/self/fd/N" */
static const char *descriptor_path(char path[32], int fd)
{
    static const char folder[] = "/proc/self/fd/";
    char digits[12], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do
        *--digit = (char)('0' + fd % 10);
    while (fd /= 10);
    stpcpy(stpcpy(path, folder), digit);
    return path;
}

int managed_fexecve(int fd, char *const argv[], char *const env[])
{
    char path[32];
    LEAVE(SYMBOL_fexecve, CALLER, fd >= 0 ? descriptor_path(path, fd) : NULL, false, env);
    char *const *full = COMPLETE(env);
    return real.fexecve(fd, argv, full);
}

int managed_execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
    char own[32];
    bool is_descriptor = flags & AT_EMPTY_PATH && path && !*path && fd >= 0;
    bool is_plain = path && (*path == '/' || fd == AT_FDCWD); /* others would have to be joined first */
    LEAVE(SYMBOL_execveat, CALLER, is_descriptor ? descriptor_path(own, fd) : is_plain ? path : NULL, false, env);
    char *const *full = COMPLETE(env);
    return real.execveat(fd, path, argv, full, flags);
}

/* ---- exec with its arguments in a list ---- */

/* The words of the list: those in registers, then those on the stack above the return address. */
static const uintptr_t *word_at(const struct call_registers *registers, unsigned i)
{
    return i < 6 ? (const uintptr_t *)&registers->argument[i] : registers->more + (i - 6);
}

/* How many there are, with the NULL at the end. */
static unsigned count_words(const struct call_registers *registers)
{
    unsigned count = 1;
    while (*word_at(registers, count++))
        ;
    return count - 1;
}

/* If the environment is to be completed, the call is made here, with the list as an array. It only returns if it fails,
 * and then fails once more where it came from, in the same way. */
#define BEFORE_LIST(name, is_searched, environment, function)                                                          \
    void before_##name(struct call_registers *registers)                                                               \
    {                                                                                                                  \
        const char *path = (const char *)registers->argument[0];                                                       \
        unsigned count = count_words(registers);                                                                       \
        char *const *env = environment;                                                                                \
        LEAVE(SYMBOL_##name, registers->caller, path, is_searched, env);                                               \
        if (!propagate_need(env).entries)                                                                              \
            return;                                                                                                    \
        char **argv = __builtin_alloca(count * sizeof *argv);                                                          \
        for (unsigned i = 0; i < count; i++)                                                                           \
            argv[i] = *(char *const *)word_at(registers, i + 1);                                                       \
        char *const *full = COMPLETE(env);                                                                             \
        function(path, argv, full);                                                                                    \
    }
BEFORE_LIST(execl, false, environ, real.execve)
BEFORE_LIST(execlp, true, environ, real.execvpe)
BEFORE_LIST(execle, false, *(char *const *const *)word_at(registers, count + 1), real.execve)

/* ---- _exit ---- */

void before__exit(struct call_registers *registers)
{
    (void)registers;
    leave_program(false);
}

void before__Exit(struct call_registers *registers)
{
    (void)registers;
    leave_program(false);
}
