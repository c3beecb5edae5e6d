/* Says how long its teams' idle threads spin: teams_waits MICROSECONDS MILLISECONDS [LIBRARY...]. A thread has regions
 * of so many microseconds, with pauses of so many milliseconds in between, until the program is killed; a line for
 * each: the microseconds of CPU time that all other threads have used in the pause. With libraries (teams_plugin.c),
 * each has a region in turn, by a runtime of its own, and lines begin with the library's number.
 *
 * At SIGUSR1 the thread ends, and its team with it. The program forks, says "child PID", and waits for its end; the
 * child does the same from the start when it gets a signal itself. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 8 };

static int length_us;
static atomic_int is_told;

static void tell(int signal)
{
    (void)signal;
    is_told = 1;
}

static long long now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int compute(void)
{
    long long end = now_us(CLOCK_MONOTONIC) + length_us;
    while (now_us(CLOCK_MONOTONIC) < end)
        ;
    return 1;
}

static int own_region(int (*inner)(void))
{
    int sum = 0;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    sum += inner();
    return sum;
}

static int (*open_region(const char *library))(int (*)(void))
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *region = handle ? dlsym(handle, "plugin_each") : NULL;
    if (!region)
        exit(2);
    return (int (*)(int (*)(void)))region;
}

static long long used_by_others(void)
{
    return now_us(CLOCK_PROCESS_CPUTIME_ID) - now_us(CLOCK_THREAD_CPUTIME_ID);
}

static void rest(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

static void wait_for_word(void)
{
    while (!is_told)
        rest(1);
    is_told = 0;
}

static void have_child(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        wait_for_word();
        return;
    }
    printf("child %d\n", (int)child);
    while (waitpid(child, &status, 0) < 0)
        ;
    exit(0);
}

struct work {
    int (*regions[MOST])(int (*)(void));
    int count; /* of libraries; 0: a region of our own */
    long pause_ms;
};

static void *work_until_told(void *arg)
{
    const struct work *work = arg;
    for (int i = 0; !is_told; i = i + 1 < work->count ? i + 1 : 0) {
        if (work->regions[i](compute) != 2)
            exit(1);
        long long before = used_by_others();
        rest(work->pause_ms);
        if (work->count)
            printf("%d ", i);
        printf("%lld\n", used_by_others() - before);
    }
    is_told = 0;
    return NULL;
}

int main(int argc, char **argv)
{
    struct work work = {.regions = {own_region}, .count = argc - 3};
    pthread_t thread;
    if (argc < 3 || work.count > MOST)
        return 2;
    for (int i = 0; i < work.count; i++)
        work.regions[i] = open_region(argv[3 + i]);
    length_us = atoi(argv[1]);
    work.pause_ms = atoi(argv[2]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGUSR1, tell);
    for (;; have_child()) {
        pthread_create(&thread, NULL, work_until_told, &work);
        pthread_join(thread, NULL);
    }
}
