/* Stays where it is until there is some input, or its end: teams_hold inside|computing|between|after|busy. Says when it
 * is there, and when it ends.
 *
 *   inside    in a region, asleep
 *   computing in a region, awake
 *   between   after one, before another
 *   after     the same, but the last region is over
 *   busy      in one region after the other */
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum how { NOT_AT_ALL, ASLEEP, AWAKE };

static void hold(enum how how)
{
    char byte;
    puts("there");
    fflush(stdout);
    if (how == AWAKE)
        fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    while (read(0, &byte, 1) < 0 && how == AWAKE)
        ;
}

static int region(enum how holds)
{
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    {
        if (holds != NOT_AT_ALL && omp_get_thread_num() == 0)
            hold(holds);
        sum += 1;
    }
    return sum;
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "between";
    int sum = region(NOT_AT_ALL);
    if (strcmp(where, "inside") == 0) {
        sum += region(ASLEEP);
    } else if (strcmp(where, "computing") == 0) {
        sum += region(AWAKE);
    } else if (strcmp(where, "busy") == 0) {
        char byte;
        puts("there");
        fflush(stdout);
        fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
        while (read(0, &byte, 1) < 0)
            if (region(NOT_AT_ALL) != 2)
                puts("wrong");
    } else {
        hold(ASLEEP);
    }
    if (strcmp(where, "after") != 0)
        sum = region(NOT_AT_ALL);
    printf("done %d\n", sum);
    return 0;
}
