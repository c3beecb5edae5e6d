/* Asks for processes that it cannot have: refused MOMENT..., where each MOMENT is main, thread, deep, coroutine,
 * handler, altstack, or nodefer, and says what fork() has said. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void ask(void)
{
    pid_t child = fork();
    int error = errno;
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, NULL, 0);
    printf("%s", child > 0 ? "a child" : strerror(error));
}

static void *run(void *unused)
{
    (void)unused;
    ask();
    return NULL;
}

/* A handler's frame was where this one is; it has written over it. */
static __attribute__((noinline)) void go_deep(int levels)
{
    volatile char room[1024];
    memset((void *)room, levels, sizeof room);
    if (levels)
        go_deep(levels - 1);
    else
        ask();
    room[0] = 1;
}

static void handle(int signal)
{
    (void)signal;
    ask();
}

static void raise_with(int flags)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void on_own_stack(void)
{
    static char stack[64 * 1024];
    ucontext_t here, there;
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &here;
    makecontext(&there, ask, 0);
    swapcontext(&here, &there);
}

static void on_signal_stack(void)
{
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    raise_with(SA_ONSTACK);
}

static void in_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) == 0)
        pthread_join(thread, NULL);
    else
        printf("no thread");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        printf("%s: ", argv[i]);
        if (!strcmp(argv[i], "main"))
            ask();
        else if (!strcmp(argv[i], "thread"))
            in_thread();
        else if (!strcmp(argv[i], "deep"))
            go_deep(50);
        else if (!strcmp(argv[i], "coroutine"))
            on_own_stack();
        else if (!strcmp(argv[i], "handler"))
            raise_with(0);
        else if (!strcmp(argv[i], "nodefer"))
            raise_with(SA_NODEFER | SA_RESETHAND);
        else if (!strcmp(argv[i], "altstack"))
            on_signal_stack();
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
