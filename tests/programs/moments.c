/* Makes the calls of calls.h from main, from a late library, in fork children and in a signal handler. */
#include <dlfcn.h>

#include "calls.h"

static void in_handler(int signal)
{
    (void)signal;
    /* What POSIX allows here, and what programs do here anyway. */
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(12);
    waitpid(pid, &status, 0);
    say("handler", "fork child", WEXITSTATUS(status));
    pid = vfork();
    if (pid == 0)
        _exit(13);
    waitpid(pid, &status, 0);
    say("handler", "vfork child", WEXITSTATUS(status));
    call_counts("handler");
}

int main(int argc, char **argv)
{
    call_all("main");

    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        call_all("fork child");
        exit(5);
    }
    waitpid(pid, &status, 0);
    say("main", "child's exit", WEXITSTATUS(status));

    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        call_threads("raw clone child");
        _exit(6);
    }
    waitpid(pid, &status, 0);
    say("main", "child's exit", WEXITSTATUS(status));

    signal(SIGUSR1, in_handler);
    raise(SIGUSR1);

    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        void (*run)(void) = library ? (void (*)(void))dlsym(library, "late") : NULL;
        if (!run)
            return say("main", dlerror(), 1), 1;
        run();
        say("main", "dlclose", dlclose(library));
    }
    say("main", "end", 0);
    return 0;
}
