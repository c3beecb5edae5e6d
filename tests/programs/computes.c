/* Computes: computes MS [until FILE | wait FILE | children N MORE...]. Spends MS milliseconds of the CPU; then goes on
 * until FILE is there, or sleeps until it is, or has N children, by fork alone, that do MORE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned sink;

static long spent_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void compute(void)
{
    for (unsigned i = 0; i < 100000; i++)
        sink += i;
}

static int run(int argc, char **argv)
{
    int status, failed = 0;
    while (spent_ms() < atol(argv[0]))
        compute();
    if (argc > 2 && !strcmp(argv[1], "until"))
        while (access(argv[2], F_OK) != 0)
            compute();
    if (argc > 2 && !strcmp(argv[1], "wait"))
        while (access(argv[2], F_OK) != 0)
            usleep(1000);
    for (int i = 0; argc > 3 && !strcmp(argv[1], "children") && i < atoi(argv[2]); i++)
        if (fork() == 0)
            return run(argc - 3, argv + 3);
    while (wait(&status) > 0)
        failed |= status;
    return failed != 0;
}

int main(int argc, char **argv)
{
    return argc > 1 ? run(argc - 1, argv + 1) : 2;
}
