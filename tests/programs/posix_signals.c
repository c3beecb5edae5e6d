/* Signals and threads. */
#include "posix_cases.h"

#include <sched.h>

static atomic_int handled, handled_value;
static pthread_t handled_in;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    (void)signal;
    handled_in = pthread_self();
    handled_value = info->si_value.sival_int;
    handled++;
}

static void handle(int signal)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(signal, &action, NULL);
    handled = handled_value = 0;
}

static atomic_int gate, ready_tid;

static void *wait_gate(void *arg)
{
    ready_tid = (int)syscall(SYS_gettid);
    wait_for(&gate, 1);
    return arg;
}

static pthread_t start_waiting(void *(*run)(void *))
{
    gate = ready_tid = 0;
    pthread_t thread = start(run, NULL);
    while (!ready_tid)
        pause_ms(1);
    return thread;
}

static void *quick(void *arg)
{
    return arg;
}

static pthread_t start_and_end(void)
{
    ready_tid = 0;
    pthread_t thread = start(quick, NULL);
    pause_ms(20);
    return thread;
}

static const char *set_name(const sigset_t *set)
{
    static _Thread_local char text[256];
    text[0] = 0;
    for (int i = 1; i < NSIG; i++)
        if (sigismember(set, i) == 1)
            sprintf(text + strlen(text), " %d", i);
    return text;
}

/* ---- what a new thread finds ---- */

static void *check_fresh(void *arg)
{
    sigset_t mask, pending;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigpending(&pending);
    EXPECT(sigisemptyset(&mask) && sigisemptyset(&pending));
    return arg;
}

static void fresh_afterwards(void)
{
    for (int i = 0; i < 5; i++)
        run_in_thread(check_fresh, NULL);
}

static void *say_mask(void *arg)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    say("%s:%s", (const char *)arg, set_name(&mask));
    sigfillset(&mask);
    sigdelset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL); /* of no consequence */
    return arg;
}

static void *mask_of_creator(void *arg)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 3);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    run_in_thread(say_mask, "a thread's thread");
    return arg;
}

static void masks(void)
{
    sigset_t mask, old;
    run_in_thread(say_mask, "none");
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGRTMAX);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    run_in_thread(say_mask, "some");
    run_in_thread(mask_of_creator, NULL);
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    run_in_thread(say_mask, "all");
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    pthread_attr_setsigmask_np(&attr, &mask);
    pthread_t thread;
    EXPECT(try_start(&thread, &attr, say_mask, "an attribute's") == 0);
    join(thread);
    pthread_attr_setsigmask_np(&attr, NULL);
    EXPECT(try_start(&thread, &attr, say_mask, "no longer an attribute's") == 0);
    join(thread);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    run_in_thread(say_mask, "none");
}

/* ---- pthread_kill, pthread_sigqueue ---- */

extern int old_pthread_kill(pthread_t, int);
__asm__(".symver old_pthread_kill, pthread_kill@GLIBC_2.2.5");

static void kills(void)
{
    handle(SIGUSR1);
    pthread_t thread = start_waiting(wait_gate);
    say("0: %s", name_of(pthread_kill(thread, 0)));
    say("old 0: %s", name_of(old_pthread_kill(thread, 0)));
    say("-1: %s", name_of(pthread_kill(thread, -1)));
    say("65: %s", name_of(pthread_kill(thread, 65)));
    say("32: %s", name_of(pthread_kill(thread, 32)));
    say("33: %s", name_of(pthread_kill(thread, 33)));
    say("still: %s", name_of(pthread_kill(thread, 0)));
    int error = pthread_kill(thread, SIGUSR1);
    wait_for(&handled, 1);
    say("USR1: %s, in it: %d", name_of(error), pthread_equal(handled_in, thread) != 0);
    error = old_pthread_kill(thread, SIGUSR1);
    wait_for(&handled, 2);
    say("old USR1: %s", name_of(error));
    union sigval value = {.sival_int = 4711};
    error = pthread_sigqueue(thread, SIGUSR1, value);
    wait_for(&handled, 3);
    say("sigqueue: %s, value %d, in it: %d", name_of(error), handled_value, pthread_equal(handled_in, thread) != 0);
    say("sigqueue 65: %s", name_of(pthread_sigqueue(thread, 65, value)));
    say("sigqueue 32: %s", name_of(pthread_sigqueue(thread, 32, value)));
    error = tgkill(getpid(), ready_tid, SIGUSR1);
    wait_for(&handled, 4);
    say("tgkill: %d", error);
    error = (int)syscall(SYS_tgkill, getpid(), ready_tid, SIGUSR1);
    wait_for(&handled, 5);
    say("raw tgkill: %d", error);
    gate = 1;
    join(thread);
    fresh_afterwards();
}

static void kills_ended(void)
{
    handle(SIGUSR1);
    for (int i = 0; i < 3; i++) {
        pthread_t thread = start_and_end();
        union sigval value = {0};
        say("ended, 0: %s", name_of(pthread_kill(thread, 0)));
        say("ended, USR1: %s", name_of(pthread_kill(thread, SIGUSR1)));
        say("ended, 65: %s", name_of(pthread_kill(thread, 65)));
        say("ended, 32: %s", name_of(pthread_kill(thread, 32)));
        say("ended, old 0: %s", name_of(old_pthread_kill(thread, 0)));
        say("ended, old USR1: %s", name_of(old_pthread_kill(thread, SIGUSR1)));
        say("ended, sigqueue: %s", name_of(pthread_sigqueue(thread, SIGUSR1, value)));
        join(thread);
        fresh_afterwards();
    }
    say("handled: %d", handled);
    pthread_t thread = start_waiting(wait_gate);
    gate = 1;
    int tid = ready_tid;
    join(thread);
    pause_ms(10);
    say("tgkill after join: %s", tgkill(getpid(), tid, SIGUSR1) ? name_of(errno) : "0");
    say("tgkill 0 after join: %s", tgkill(getpid(), tid, 0) ? name_of(errno) : "0");
    say("raw tgkill after join: %s", syscall(SYS_tgkill, getpid(), tid, SIGUSR1) ? name_of(errno) : "0");
    say("raw tkill after join: %s", syscall(SYS_tkill, tid, SIGUSR1) ? name_of(errno) : "0");
    fresh_afterwards();
    say("handled: %d", handled);
}

/* ---- what was pending for a thread dies with it ---- */

static void *block_and_wait(void *arg)
{
    sigset_t mask;
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    ready_tid = (int)syscall(SYS_gettid);
    wait_for(&gate, 1);
    sigpending(&mask);
    say("pending in it:%s", set_name(&mask));
    return arg;
}

static void *block_and_raise(void *arg)
{
    sigset_t mask;
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    raise(SIGUSR1);
    raise(SIGRTMIN + 1);
    return arg;
}

static void pending(void)
{
    handle(SIGUSR1);
    handle(SIGRTMIN + 1);
    pthread_t thread = start_waiting(block_and_wait);
    pthread_kill(thread, SIGUSR1);
    gate = 1;
    join(thread);
    fresh_afterwards();
    for (int i = 0; i < 10; i++) {
        run_in_thread(block_and_raise, NULL);
        fresh_afterwards();
    }
    say("handled: %d", handled);
}

/* ---- signals for the process go to a thread that takes them, never to one that has ended ---- */

static void process_wide(void)
{
    sigset_t mask, old;
    handle(SIGUSR2);
    for (int i = 0; i < 10; i++)
        run_in_thread(quick, NULL);
    for (int i = 0; i < 100; i++) {
        kill(getpid(), SIGUSR2);
        run_in_thread(quick, NULL);
    }
    say("handled in main: %d", pthread_equal(handled_in, pthread_self()) != 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    handled = 0;
    int got, taken = 0;
    pthread_t thread = start_and_end();
    for (int i = 0; i < 100; i++) {
        kill(getpid(), SIGUSR2);
        sigwait(&mask, &got);
        taken += got == SIGUSR2;
    }
    join(thread);
    say("waited for: %d, handled: %d", taken, handled);
    kill(getpid(), SIGUSR2);
    run_in_thread(quick, NULL);
    sigset_t waiting;
    sigpending(&waiting);
    say("pending:%s", set_name(&waiting));
    sigwait(&mask, &got);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    fresh_afterwards();
}

/* ---- a handler is called in a thread right from its start ---- */

static void *raise_here(void *arg)
{
    pthread_t self = pthread_self();
    raise(SIGUSR1);
    EXPECT(pthread_equal(handled_in, self));
    return arg;
}

static void from_the_start(void)
{
    handle(SIGUSR1);
    for (int i = 0; i < 100; i++)
        run_in_thread(raise_here, NULL);
    say("handled: %d", handled);
    handled = 0;
    for (int i = 0; i < 300; i++) {
        gate = 0;
        pthread_t thread = start(wait_gate, NULL);
        EXPECT(pthread_kill(thread, SIGUSR1) == 0);
        wait_for(&handled, i + 1);
        EXPECT(pthread_equal(handled_in, thread));
        gate = 1;
        join(thread);
    }
    say("handled: %d", handled);
}

/* ---- sigwait in a thread, and a handler that does much ---- */

static void *wait_signal(void *arg)
{
    sigset_t mask;
    int got = 0;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    ready_tid = (int)syscall(SYS_gettid);
    sigwait(&mask, &got);
    (void)arg;
    return (void *)(long)got;
}

static void sigwaits(void)
{
    sigset_t mask, old;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    for (int i = 0; i < 5; i++) {
        pthread_t thread = start_waiting(wait_signal);
        pthread_kill(thread, SIGUSR1);
        EXPECT((long)join(thread) == SIGUSR1);
        thread = start_waiting(wait_signal);
        kill(getpid(), SIGUSR1);
        EXPECT((long)join(thread) == SIGUSR1);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    fresh_afterwards();
    say("sigwait");
}

static void *exit_by_signal(void *arg)
{
    raise(SIGUSR1);
    return arg;
}

static void exit_handler(int signal)
{
    (void)signal;
    pthread_exit((void *)88);
}

static void exits(void)
{
    struct sigaction action = {.sa_handler = exit_handler};
    sigaction(SIGUSR1, &action, NULL);
    say("exit in a handler: %ld", (long)run_in_thread(exit_by_signal, NULL));
    fresh_afterwards();
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"masks", masks, 3},
        {"kills", kills, 3},
        {"kills_ended", kills_ended, 3},
        {"pending", pending, 3},
        {"process_wide", process_wide, 3},
        {"from_the_start", from_the_start, 3},
        {"sigwaits", sigwaits, 3},
        {"exits", exits, 3},
        {0},
    };
    return run_cases(argc, argv, cases);
}
