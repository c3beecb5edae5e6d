/* What the programs about children share. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "posix_cases.h"

#include <fcntl.h>

static void *quick(void *arg) MAYBE_UNUSED;
static void *quick(void *arg)
{
    return arg;
}

/* Threads have been used and are parked, where that happens. */
static void warm(void) MAYBE_UNUSED;
static void warm(void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        threads[i] = start(quick, NULL);
    for (int i = 0; i < 6; i++)
        join(threads[i]);
}

static const char *status_name(int status) MAYBE_UNUSED;
static const char *status_name(int status)
{
    static _Thread_local char text[32];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
    return text;
}

static void say_wait(const char *what, pid_t child) MAYBE_UNUSED;
static void say_wait(const char *what, pid_t child)
{
    int status = -1;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got == -1 && errno == EINTR);
    if (child <= 0 || got != child)
        say("%s: waitpid: %s", what, name_of(errno));
    else
        say("%s: %s", what, status_name(status));
}

/* How many descriptors there are. System calls only: the caller may be the child of a crowd. */
static int count_files(void) MAYBE_UNUSED;
static int count_files(void)
{
    int count = 0;
    for (int i = 0; i < 256; i++)
        count += fcntl(i, F_GETFD) != -1;
    return count;
}

#endif
