/* Runs COMMAND COUNT times, one after the other, and prints the nanoseconds per run: bench_exec PRELOAD HOW COUNT
 * COMMAND... PRELOAD becomes the LD_PRELOAD of the command, but not of this program; "" leaves the environment as it
 * is. HOW is how the process is made: spawn (posix_spawn), fork or vfork. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pid_t by_spawn(char **command)
{
    pid_t pid;
    return posix_spawn(&pid, *command, NULL, NULL, command, environ) ? -1 : pid;
}

static pid_t by_fork(char **command)
{
    pid_t pid = fork();
    if (pid == 0) {
        execve(*command, command, environ);
        _exit(127);
    }
    return pid;
}

static pid_t by_vfork(char **command)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execve(*command, command, environ);
        _exit(127);
    }
    return pid;
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    if (argc < 5)
        return 2;
    if (*argv[1])
        setenv("LD_PRELOAD", argv[1], 1);
    pid_t (*run)(char **) = !strcmp(argv[2], "fork") ? by_fork : !strcmp(argv[2], "vfork") ? by_vfork : by_spawn;
    int count = atoi(argv[3]);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++) {
        int status;
        pid_t pid = run(argv + 4);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
            return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.1f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / count);
    return 0;
}
