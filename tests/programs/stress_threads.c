/* Threads that make threads, and do with them what can be done, at random and under a thousand signals a second.
 *
 *   stress_threads [SECONDS [MAKERS [TASKS [SEED]]]]     for so long, and until there were so many tasks
 *
 * Checked all the time: results, that each task finds a fresh thread, that children of forks work. At the end: that
 * each value's destructor ran once, that no thread and no descriptor is left, and that memory has not grown. */
#include "posix_cases.h"

#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <threads.h>

static pthread_key_t key;
static atomic_long values_set, values_destroyed, signals, all_tasks, cleanups_pushed, cleanups_run, forks, cancels;
static atomic_int stop;
static __thread int used;
static __thread unsigned random_state;
static sem_t never;
static char library_path[PATH_MAX];

static unsigned chance(unsigned below)
{
    random_state = random_state * 1103515245 + 12345;
    return (random_state >> 16) % below;
}

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

static void destroy(void *value)
{
    if (value == &key)
        values_destroyed++;
}

static void clean(void *arg)
{
    (void)arg;
    cleanups_run++;
}

/* What every task does first. Not to be cancelled in: what it counts must be true. */
static void begin(void)
{
    int state, type;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    EXPECT(state == PTHREAD_CANCEL_ENABLE && type == PTHREAD_CANCEL_DEFERRED);
    EXPECT(used == 0);
    EXPECT(pthread_getspecific(key) == NULL);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    EXPECT(sigisemptyset(&set));
    used = 1;
    pthread_setspecific(key, &key);
    values_set++;
    all_tasks++;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
}

static void *give_back(void *arg)
{
    begin();
    return arg;
}

static void *work(void *arg)
{
    begin();
    for (volatile int i = 0; i < 3000; i++)
        ;
    return arg;
}

static void *exit_with(void *arg)
{
    begin();
    pthread_exit(arg);
}

static void *wait_for_ever(void *arg)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    cleanups_pushed++;
    pthread_cleanup_push(clean, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    begin();
    while (sem_wait(&never))
        ;
    pthread_cleanup_pop(1);
    return arg;
}

static void *change_thread(void *arg)
{
    begin();
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    sched_setaffinity(0, sizeof set, &set);
    return arg;
}

static void *block_signals(void *arg)
{
    begin();
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    return arg;
}

static void *detach_self(void *arg)
{
    begin();
    EXPECT(pthread_detach(pthread_self()) == 0);
    return arg;
}

static int c11_task(void *arg)
{
    begin();
    return (int)(long)arg;
}

static pthread_t make(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, arg);
    if (error) {
        say("pthread_create: %s", name_of(error));
        _exit(1);
    }
    return thread;
}

static void expect_join(pthread_t thread, void *expected)
{
    void *result = &result;
    int error = pthread_join(thread, &result);
    if (error || (result != expected && result != PTHREAD_CANCELED))
        say("WRONG join: %s, %p for %p", name_of(error), result, expected);
}

static void one_fork(void)
{
    forks++;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(60);
        stop = 1;
        for (long i = 0; i < 3; i++)
            expect_join(make(work, (void *)i), (void *)i);
        /* Not pthread_exit: it may go into the loader, whose lock another thread may have held at the fork, and then
         * the child waits for ever (with libc alone, too). */
        _exit(0);
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (status)
        say("WRONG child: %x", (unsigned)status);
}

static void one_library(void)
{
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        say("dlopen: %s", dlerror());
        _exit(1);
    }
    void *(*task)(void *);
    *(void **)&task = dlsym(library, "late_task");
    for (long i = 0; i < 3; i++) {
        void *result;
        EXPECT(pthread_join(make(task, (void *)i), &result) == 0 && result == (void *)(i + 1000));
    }
    dlclose(library);
}

static void one_batch(void)
{
    pthread_t threads[24];
    unsigned count = 1 + chance(24);
    for (unsigned i = 0; i < count; i++)
        threads[i] = make(chance(2) ? work : give_back, (void *)(long)i);
    for (unsigned i = 0; i < count; i++)
        expect_join(threads[i], (void *)(long)i);
}

static void one_timed(void)
{
    pthread_t thread = make(chance(2) ? work : block_signals, (void *)5);
    struct timespec limit;
    int error;
    do {
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_nsec += chance(200000);
        if (limit.tv_nsec >= 1000000000)
            limit.tv_sec++, limit.tv_nsec -= 1000000000;
        error = pthread_timedjoin_np(thread, NULL, &limit);
    } while (error == ETIMEDOUT);
    EXPECT(error == 0);
}

static void *join_other(void *arg)
{
    begin();
    pthread_t other = *(pthread_t *)arg;
    pthread_join(other, NULL);
    return PTHREAD_CANCELED;
}

/* A joiner that is cancelled has either joined or left the other joinable; which, its result tells only where it was
 * not cancelled. So the other waits until the joiner is gone. */
static void one_cancelled_joiner(void)
{
    pthread_t other = make(wait_for_ever, NULL);
    pthread_t joiner = make(join_other, &other);
    if (chance(2))
        sched_yield();
    pthread_cancel(joiner);
    expect_join(joiner, PTHREAD_CANCELED);
    pthread_cancel(other);
    expect_join(other, PTHREAD_CANCELED);
}

static void one_thing(void)
{
    pthread_t thread;
    thrd_t c11;
    int result, error;
    switch (chance(40)) {
    default:
        expect_join(make(give_back, (void *)1), (void *)1);
        break;
    case 0:
    case 1:
    case 2:
        one_batch();
        break;
    case 3:
    case 4:
        thread = make(work, (void *)2);
        while ((error = pthread_tryjoin_np(thread, NULL)) == EBUSY)
            sched_yield();
        EXPECT(error == 0);
        break;
    case 5:
    case 6:
        one_timed();
        break;
    case 7:
    case 8:
        EXPECT(pthread_detach(make(chance(2) ? work : give_back, NULL)) == 0);
        break;
    case 9:
        make(detach_self, NULL);
        break;
    case 10:
    case 11:
        cancels++;
        thread = make(wait_for_ever, NULL);
        if (chance(2))
            sched_yield();
        EXPECT(pthread_cancel(thread) == 0);
        expect_join(thread, PTHREAD_CANCELED);
        break;
    case 12:
        cancels++;
        thread = make(chance(2) ? work : give_back, (void *)3);
        EXPECT(pthread_cancel(thread) == 0);
        expect_join(thread, (void *)3);
        break;
    case 13:
        expect_join(make(exit_with, (void *)4), (void *)4);
        break;
    case 14:
        thread = make(chance(2) ? work : give_back, (void *)6);
        EXPECT(pthread_kill(thread, SIGUSR1) == 0);
        expect_join(thread, (void *)6);
        break;
    case 15:
        thread = make(block_signals, (void *)7);
        pthread_kill(thread, SIGUSR1);
        expect_join(thread, (void *)7);
        break;
    case 16:
        expect_join(make(change_thread, (void *)8), (void *)8);
        break;
    case 17:
    case 18:
        EXPECT(thrd_create(&c11, c11_task, (void *)9) == thrd_success);
        EXPECT(thrd_join(c11, &result) == thrd_success && result == 9);
        break;
    case 19:
        one_cancelled_joiner();
        break;
    case 20:
        if (chance(20) == 0)
            one_fork();
        break;
    case 21:
        if (chance(4) == 0)
            one_library();
        break;
    case 22:
        thread = make(wait_for_ever, NULL);
        EXPECT(pthread_detach(thread) == 0);
        EXPECT(pthread_cancel(thread) == 0);
        break;
    }
}

static void *maker(void *arg)
{
    random_state = (unsigned)(long)arg;
    while (!stop)
        one_thing();
    return NULL;
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count - 2;
}

static long resident_kb(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = -1;
    if (file)
        fclose(file);
    return resident * 4;
}

static void sleep_ms_through(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000)
        time.tv_sec++, time.tv_nsec -= 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

int main(int argc, char **argv)
{
    long seconds = argc > 1 ? atol(argv[1]) : 10, makers = argc > 2 ? atol(argv[2]) : 16;
    long least = argc > 3 ? atol(argv[3]) : 0;
    unsigned seed = argc > 4 ? (unsigned)atol(argv[4]) : (unsigned)time(NULL);
    ssize_t length = readlink("/proc/self/exe", library_path, sizeof library_path - 100);
    library_path[length > 0 ? length : 0] = 0;
    strcat(dirname(library_path), "/libposix_moments_late.so");
    sem_init(&never, 0, 0);
    EXPECT(pthread_key_create(&key, destroy) == 0);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    int descriptors = count_entries("/proc/self/fd");
    struct itimerval every_ms = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};

    pthread_t threads[256];
    setitimer(ITIMER_REAL, &every_ms, NULL);
    for (long i = 0; i < makers && i < 256; i++)
        threads[i] = make(maker, (void *)(seed + i * 7919L));
    sleep_ms_through(seconds * 300);
    long early = resident_kb();
    sleep_ms_through(seconds * 700);
    while (all_tasks < least)
        sleep_ms_through(10);
    stop = 1;
    for (long i = 0; i < makers && i < 256; i++)
        pthread_join(threads[i], NULL);
    long late = resident_kb();
    setitimer(ITIMER_REAL, &off, NULL);

    /* Detached threads are still ending, and used ones are kept for a while. */
    int left = -1;
    for (int i = 0; i < 600 && left != 1; i++) {
        sleep_ms_through(50);
        left = count_entries("/proc/self/task");
    }
    say("threads left: %d", left);
    say("descriptors left: %d", count_entries("/proc/self/fd") - descriptors);
    say("destructors: %s", values_set == values_destroyed ? "one for each value" : "WRONG");
    say("cleanup handlers: %s", cleanups_pushed == cleanups_run ? "one for each" : "WRONG");
    say("memory: %s", late - early < 32 << 10 ? "does not grow" : "WRONG, it grows");
    FILE *file = fopen("stressed", "w");
    if (file) {
        fprintf(file,
                "seed %u tasks %ld values %ld %ld cleanups %ld %ld forks %ld cancels %ld signals %ld kB %ld %ld\n",
                seed, all_tasks, values_set, values_destroyed, cleanups_pushed, cleanups_run, forks, cancels, signals,
                early, late);
        fclose(file);
    }
    return 0;
}
