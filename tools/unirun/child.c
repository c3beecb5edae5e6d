#include "tools/unirun/child.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/unirun/command.h"

static _Noreturn void become(const char *const argv[], const char *const env[], int channel, int pipe_end,
                             unsigned seconds)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, channel == 1 ? 2 : 1);
    dup2(pipe_end, channel);
    /* An alarm outlives exec, so that a program that hangs ends by itself. */
    alarm(seconds);
    execve(argv[0], (char *const *)argv, (char *const *)env);
    _exit(EXIT_NOT_FOUND);
}

static char *read_all(int fd)
{
    size_t length = 0, room = 4096;
    char *text = needed(malloc(room));
    for (ssize_t got; (got = read(fd, text + length, room - length - 1)) > 0;) {
        length += (size_t)got;
        if (length + 1 == room)
            text = needed(realloc(text, room *= 2));
    }
    text[length] = 0;
    return text;
}

struct child child_run(const char *const argv[], const char *const env[], int channel, unsigned seconds)
{
    struct child child = {-1, NULL};
    int ends[2];
    pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (pid < 0) {
        child.output = needed(strdup("no process can be started"));
        return child;
    }
    if (!pid)
        become(argv, env, channel, ends[1], seconds);
    close(ends[1]);
    child.output = read_all(ends[0]);
    close(ends[0]);
    waitpid(pid, &child.status, 0);
    return child;
}
