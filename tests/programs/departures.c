/* Starts programs: departures HOW FILE [ENTRY...], with an environment of the ENTRYs; each HOW is a call of exec(3) or
 * posix_spawn(3), perhaps behind `fork-`, `vfork-` or `quiet-` (fork, with stderr gone), three times. The calls that
 * take no environment are made with an `environ` of the ENTRYs. The FILE is given no argument. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char name[] = "program", *argument[] = {name, NULL};

/* Returns if it fails, or if a child runs the program. */
static void start(const char *how, const char *file, char **env)
{
    pid_t child;
    if (!strcmp(how, "execve"))
        execve(file, argument, env);
    else if (!strcmp(how, "execv"))
        execv(file, argument);
    else if (!strcmp(how, "execvp"))
        execvp(file, argument);
    else if (!strcmp(how, "execvpe"))
        execvpe(file, argument, env);
    else if (!strcmp(how, "execl"))
        execl(file, "program", "1", "2", "3", "4", "5", "6", (char *)NULL);
    else if (!strcmp(how, "execlp"))
        execlp(file, "program", (char *)NULL);
    else if (!strcmp(how, "execle"))
        execle(file, "program", "1", "2", "3", "4", "5", "6", (char *)NULL, env);
    else if (!strcmp(how, "fexecve"))
        fexecve(open(file, O_RDONLY), argument, env);
    else if (!strcmp(how, "execveat"))
        execveat(AT_FDCWD, file, argument, env, 0);
    else if (!strcmp(how, "posix_spawn") && posix_spawn(&child, file, NULL, NULL, argument, env) == 0)
        waitpid(child, NULL, 0);
    else if (!strcmp(how, "posix_spawnp") && posix_spawnp(&child, file, NULL, NULL, argument, env) == 0)
        waitpid(child, NULL, 0);
}

static void in_child(const char *how, const char *file, char **env)
{
    pid_t child = strncmp(how, "vfork-", 6) ? fork() : vfork();
    if (child == 0) {
        if (!strncmp(how, "quiet-", 6))
            dup2(open("/dev/null", O_WRONLY), 2);
        start(strchr(how, '-') + 1, file, env);
        _exit(99);
    }
    int status;
    waitpid(child, &status, 0);
    if (status)
        printf("status %d\n", status);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    const char *how = argv[1], *file = argv[2];
    char **env = argv + 3, path[4096];
    snprintf(path, sizeof path, "PATH=%s", getenv("PATH"));
    argv[2] = path; /* before the ENTRYs */
    environ = argv + 2;
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        if (strchr(how, '-'))
            in_child(how, file, env);
        else
            start(how, file, env);
        fflush(stdout);
    }
    return 0;
}
