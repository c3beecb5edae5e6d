/* What atexit handlers see when the last thread of a process has ended rather than called exit: the thread that ran
 * last, with its own data, in which signals are handled. Threads that have ended before are not there any more.
 *
 *   regress_exit          main ends at once
 *   regress_exit later    main ends when all has become quiet
 *   regress_exit child    in a child of fork, which is one thread that makes others */
#include "posix_cases.h"

enum { THREADS = 16, ROUNDS = 3 };

static pthread_t last;
static bool expected = true;
static _Thread_local int own = 5;
static atomic_int handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

static int count_blocked(void)
{
    sigset_t mask;
    int count = 0;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number <= SIGRTMAX; number++)
        count += sigismember(&mask, number) > 0;
    return count;
}

static void say_where(void)
{
    if (!expected)
        return;
    kill(getpid(), SIGUSR1);
    pause_ms(1);
    say("at exit: thread %s, own data %d, blocked %d, handled %d",
        pthread_equal(last, pthread_self()) ? "known" : "other", own, count_blocked(), handled);
}

static void *nothing(void *arg)
{
    return arg;
}

static void use_threads(void)
{
    pthread_t threads[THREADS];
    last = pthread_self();
    own = 6;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++)
            threads[i] = start(nothing, NULL);
        for (int i = 0; i < THREADS; i++)
            join(threads[i]);
    }
}

static void *fork_and_end(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        expected = true;
        use_threads();
        return arg;
    }
    waitpid(child, NULL, 0);
    return arg;
}

int main(int argc, char **argv)
{
    const char *when = argc > 1 ? argv[1] : "";
    signal(SIGUSR1, handle);
    atexit(say_where);
    if (strcmp(when, "child") == 0) {
        expected = false;
        run_in_thread(fork_and_end, NULL);
        return 0;
    }
    use_threads();
    if (strcmp(when, "later") == 0)
        pause_ms(20);
    pthread_exit(NULL);
}
