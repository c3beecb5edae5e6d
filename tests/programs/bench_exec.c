/* Runs COMMAND COUNT times, one after the other, and prints the nanoseconds per run. It is itself not under the shim:
 * the first argument becomes the LD_PRELOAD of the command ("" for none). */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    struct timespec from, to;
    if (argc < 4)
        return 2;
    if (*argv[1])
        setenv("LD_PRELOAD", argv[1], 1);
    int count = atoi(argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environ) || waitpid(pid, &status, 0) != pid || status)
            return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.1f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / count);
    return 0;
}
