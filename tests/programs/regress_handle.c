/* Threads of pthread_create that are ended, joined, detached and signalled by functions which were found by a handle of
 * libc's own: what a program binds to, or a preload has, plays no part in that. */
#include "posix_cases.h"

#include <dlfcn.h>

static struct {
    void (*exit)(void *);
    int (*cancel)(pthread_t);
    int (*join)(pthread_t, void **);
    int (*detach)(pthread_t);
    int (*kill)(pthread_t, int);
} libc;

static atomic_int tid, signals;

static void *exit_by_handle(void *arg)
{
    libc.exit(arg);
    return NULL;
}

static void *stay(void *arg)
{
    tid = (int)syscall(SYS_gettid);
    for (;;)
        pause();
    return arg;
}

static void *give_back(void *arg)
{
    return arg;
}

static pthread_t start_staying(void)
{
    tid = 0;
    pthread_t thread = start(stay, NULL);
    while (!tid)
        pause_ms(1);
    wait_asleep(tid);
    return thread;
}

static void gone(int of)
{
    while (syscall(SYS_tgkill, getpid(), of, 0) == 0)
        pause_ms(1);
}

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

static void all(void)
{
    void *result = NULL;
    pthread_t thread = start(exit_by_handle, (void *)5);
    say("pthread_exit: %ld", (long)join(thread));
    thread = start_staying();
    say("pthread_cancel: %s", name_of(libc.cancel(thread)));
    say("cancelled: %ld", (long)join(thread));
    thread = start_staying();
    pthread_detach(thread);
    say("pthread_cancel of a detached one: %s", name_of(libc.cancel(thread)));
    gone(tid);
    thread = start_staying();
    say("pthread_detach: %s", name_of(libc.detach(thread)));
    pthread_cancel(thread);
    gone(tid);
    say("pthread_join: %s", name_of(libc.join(start(give_back, (void *)6), &result)));
    say("joined: %ld", (long)result);
    thread = start_staying();
    int before = signals;
    say("pthread_kill: %s", name_of(libc.kill(thread, SIGUSR1)));
    wait_for(&signals, before + 1);
    pthread_cancel(thread);
    say("killed: %ld", (long)join(thread));
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {{"all", all, 3}, {0}};
    void *handle = dlopen("libc.so.6", RTLD_NOW);
    signal(SIGUSR1, on_signal);
    libc.exit = (void (*)(void *))dlsym(handle, "pthread_exit");
    libc.cancel = (int (*)(pthread_t))dlsym(handle, "pthread_cancel");
    libc.join = (int (*)(pthread_t, void **))dlsym(handle, "pthread_join");
    libc.detach = (int (*)(pthread_t))dlsym(handle, "pthread_detach");
    libc.kill = (int (*)(pthread_t, int))dlsym(handle, "pthread_kill");
    return run_cases(argc, argv, cases);
}
