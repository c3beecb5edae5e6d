/* Stays where it is until there is some input, or its end: teams_hold inside|between|after|busy. Says when it is there,
 * and when it ends.
 *
 *   inside    in a region
 *   between   after one, before another
 *   after     the same, but the last region is over
 *   busy      in one region after the other */
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void hold(void)
{
    char byte;
    puts("there");
    fflush(stdout);
    if (read(0, &byte, 1) < 0)
        puts("no input");
}

static int region(int holds)
{
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    {
        if (holds && omp_get_thread_num() == 0)
            hold();
        sum += 1;
    }
    return sum;
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "between";
    int sum = region(0);
    if (strcmp(where, "inside") == 0) {
        sum += region(1);
    } else if (strcmp(where, "busy") == 0) {
        char byte;
        puts("there");
        fflush(stdout);
        fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
        while (read(0, &byte, 1) < 0)
            if (region(0) != 2)
                puts("wrong");
    } else {
        hold();
    }
    if (strcmp(where, "after") != 0)
        sum = region(0);
    printf("done %d\n", sum);
    return 0;
}
