/* Teams of several threads of one program, and how those threads end. */
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 30 };

static long region(int threads)
{
    long sum = 0;
#pragma omp parallel for num_threads(threads) reduction(+ : sum)
    for (int i = 0; i < 100; i++)
        sum += i;
    return sum;
}

static void *returns(void *arg)
{
    long sum = 0;
    for (int i = 0; i < ROUNDS; i++)
        sum += region(1 + i % 3);
    (void)arg;
    return (void *)sum;
}

static void *exits(void *arg)
{
    pthread_exit(returns(arg));
}

static void *is_cancelled(void *arg)
{
    returns(arg);
    if (write(*(int *)arg, "x", 1) == 1)
        for (;;)
            pause();
    return NULL;
}

static void *goes_on_until_cancelled(void *arg)
{
    for (;; pthread_testcancel()) {
        region(2);
        if (write(*(int *)arg, "x", 1) != 1)
            continue; /* nobody listens any more */
    }
    return NULL;
}

static long run_all(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    long sum = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    return sum;
}

static int cancel_one(void *(*run)(void *))
{
    pthread_t thread;
    void *result;
    int ends[2];
    char byte;
    if (pipe(ends))
        return 0;
    pthread_create(&thread, NULL, run, &ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        return 0;
    close(ends[0]);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    close(ends[1]);
    return result == PTHREAD_CANCELED;
}

static void *last(void *arg)
{
    pthread_t *first = arg;
    pthread_join(*first, NULL);
    printf("main has ended: %ld\n", region(2));
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argv;
    printf("at once: %ld\n", run_all(returns));
    printf("pthread_exit: %ld\n", run_all(exits));
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 20; i++)
        printf("cancelled: %d %d\n", cancel_one(is_cancelled), cancel_one(goes_on_until_cancelled));
    printf("afterwards: %ld\n", region(3));
    if (argc > 1)
        return 0;
    static pthread_t self;
    pthread_t thread;
    self = pthread_self();
    pthread_create(&thread, NULL, last, &self);
    pthread_exit(NULL);
}
