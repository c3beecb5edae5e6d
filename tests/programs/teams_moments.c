/* A region wherever code runs: before main, in it, and in all that comes after it. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *when)
{
    char line[64];
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    sum += 1 + omp_get_thread_num();
    int length = snprintf(line, sizeof line, "%s: %d\n", when, sum);
    if (write(1, line, (size_t)length) != length)
        abort();
}

__attribute__((constructor)) static void construct(void)
{
    say("constructor");
}

__attribute__((destructor)) static void destroy(void)
{
    say("destructor");
}

static void at_exit(void)
{
    say("atexit");
}

static void at_quick_exit_(void)
{
    say("at_quick_exit");
}

int main(int argc, char **argv)
{
    const char *end = argc > 1 ? argv[1] : "return";
    if (atexit(at_exit) || at_quick_exit(at_quick_exit_))
        return 2;
    say("main");
    if (strcmp(end, "quick_exit") == 0)
        quick_exit(3);
    if (strcmp(end, "_exit") == 0)
        _exit(4);
    if (strcmp(end, "exit_inside") == 0) {
#pragma omp parallel num_threads(2)
#pragma omp master
        exit(5);
    }
    if (strcmp(end, "exec") == 0)
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    if (strcmp(end, "exec_inside") == 0) {
#pragma omp parallel num_threads(2)
#pragma omp master
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    }
    return 0;
}
