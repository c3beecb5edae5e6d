/* Tasks that are granted ports, one after the other, and one that main makes when it was: whether they have threads of
 * their own. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TASKS = 12 };
static int tids[TASKS];

static void *take(void *arg)
{
    long i = (long)arg;
    tids[i] = (int)syscall(SYS_gettid);
    if (i % 2 ? ioperm(0x80, 1, 1) : iopl(3))
        puts("refused");
    return NULL;
}

static void *nothing(void *tid)
{
    *(int *)tid = (int)syscall(SYS_gettid);
    return NULL;
}

static void run(void *(*task)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, task, arg) != 0 || pthread_join(thread, NULL) != 0)
        exit(1);
}

int main(void)
{
    int distinct = 0, before, after;
    for (long i = 0; i < TASKS; i++)
        run(take, (void *)i);
    for (int i = 0; i < TASKS; i++) {
        bool seen = false;
        for (int j = 0; j < i; j++)
            seen |= tids[j] == tids[i];
        distinct += !seen;
    }
    printf("tasks with ports: %d, threads: %d\n", TASKS, distinct);
    run(nothing, &before);
    if (ioperm(0x80, 1, 1))
        puts("refused");
    run(nothing, &after);
    printf("who inherits ports is %s\n", before == after ? "a thread from before" : "new");
    return 0;
}
