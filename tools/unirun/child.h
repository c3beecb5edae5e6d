/* A child process that is waited for, with what it wrote. */
#ifndef UNIRUN_TOOLS_CHILD_H
#define UNIRUN_TOOLS_CHILD_H

struct child {
    int status;   /* as wait(2) gives it; -1: it could not be started */
    char *output; /* what it wrote to `channel`, allocated */
};

/* Runs argv[0], a path, with exactly this environment, its standard input and other output being /dev/null, and
 * collects what it writes to descriptor `channel` (1 or 2). It is killed after `seconds`. */
struct child child_run(const char *const argv[], const char *const env[], int channel, unsigned seconds);

#endif
