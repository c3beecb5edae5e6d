/* A program of named cases. Without arguments each runs in a process of its own, and what it printed and how it ended
 * is the output; with names, only those. A case runs in several rounds, so that the later ones meet used threads.
 *
 * How many tasks ran and how many kernel threads they had is added to the file `recycled` in the current folder: a test
 * that shows something about reused threads looks there whether there were any. */
#ifndef POSIX_CASES_H
#define POSIX_CASES_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For parameters and results that do not matter, in files where not every helper is used. */
#define MAYBE_UNUSED __attribute__((unused))

/* No stdio: callers may be in a handler, a destructor or a fork child. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[256];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    line[length++] = '\n';
    if (write(1, line, (size_t)length) != length)
        _exit(99);
}

static const char *name_of(int error) MAYBE_UNUSED;
static const char *name_of(int error)
{
    return error == 0 ? "0" : strerrorname_np(error);
}

static atomic_int wrongs MAYBE_UNUSED; /* one broken thing need not be said a thousand times */

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition) && wrongs++ < 3)                                                                              \
            say("WRONG line %d: %s", __LINE__, #condition);                                                            \
    } while (0)

/* ---- how many threads there really were ---- */

enum { MOST_TIDS = 4096 };
static atomic_int tids[MOST_TIDS];
static atomic_int tasks;

static int note_task(void) MAYBE_UNUSED;
static int note_task(void)
{
    int tid = (int)syscall(SYS_gettid), n = atomic_fetch_add(&tasks, 1);
    if (n < MOST_TIDS)
        tids[n] = tid;
    return tid;
}

static void write_recycled(const char *name)
{
    int count = tasks < MOST_TIDS ? tasks : MOST_TIDS, distinct = 0;
    for (int i = 0; i < count; i++) {
        int seen = 0;
        for (int j = 0; j < i && !seen; j++)
            seen = tids[j] == tids[i];
        distinct += !seen;
    }
    FILE *file = fopen("recycled", "a");
    if (!file)
        return;
    fprintf(file, "%s %d %d\n", name, count, distinct);
    fclose(file);
}

/* ---- threads ---- */

struct noted {
    void *(*run)(void *);
    void *arg;
};

static void *run_noted(void *arg)
{
    struct noted noted = *(struct noted *)arg;
    free(arg);
    note_task();
    return noted.run(noted.arg);
}

static int try_start(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) MAYBE_UNUSED;
static int try_start(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    struct noted *noted = malloc(sizeof *noted);
    *noted = (struct noted){run, arg};
    int error = pthread_create(thread, attr, run_noted, noted);
    if (error)
        free(noted);
    return error;
}

static pthread_t start(void *(*run)(void *), void *arg) MAYBE_UNUSED;
static pthread_t start(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    int error = try_start(&thread, NULL, run, arg);
    if (error) {
        say("pthread_create: %s", name_of(error));
        _exit(98);
    }
    return thread;
}

static void *join(pthread_t thread) MAYBE_UNUSED;
static void *join(pthread_t thread)
{
    void *result = (void *)-77;
    int error = pthread_join(thread, &result);
    if (error)
        say("pthread_join: %s", name_of(error));
    return result;
}

static void *run_in_thread(void *(*run)(void *), void *arg) MAYBE_UNUSED;
static void *run_in_thread(void *(*run)(void *), void *arg)
{
    return join(start(run, arg));
}

/* ---- waiting for things ---- */

static void pause_ms(int ms) MAYBE_UNUSED;
static void pause_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&time, &time) && errno == EINTR)
        ;
}

static void wait_for(atomic_int *word, int value) MAYBE_UNUSED;
static void wait_for(atomic_int *word, int value)
{
    while (atomic_load(word) != value)
        pause_ms(1);
}

/* Until that kernel thread sleeps, or is gone. For a thread that has said that it is about to block. */
static void wait_asleep(int tid) MAYBE_UNUSED;
static void wait_asleep(int tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    for (int seen = 0; seen < 5;) {
        FILE *file = fopen(path, "r");
        if (!file)
            return;
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = 0;
        char *state = strrchr(text, ')');
        seen = state && state[2] == 'S' ? seen + 1 : 0;
        pause_ms(1);
    }
}

/* ---- cases ---- */

struct one {
    const char *name;
    void (*run)(void);
    int rounds; /* negative: only when asked for by name */
};

static void run_case(const struct one *one)
{
    alarm(40);
    for (int round = 0; round < abs(one->rounds); round++)
        one->run();
    write_recycled(one->name);
}

static int run_cases(int argc, char **argv, const struct one *cases) MAYBE_UNUSED;
static int run_cases(int argc, char **argv, const struct one *cases)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (const struct one *one = cases; one->name; one++) {
        if (argc > 1) {
            for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], one->name) == 0)
                    run_case(one);
            continue;
        }
        if (one->rounds < 0)
            continue;
        say("-- %s", one->name);
        pid_t child = fork();
        if (child == 0) {
            execl("/proc/self/exe", argv[0], one->name, NULL);
            _exit(97);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status))
            say("%s: signal %d", one->name, WTERMSIG(status));
        else if (WEXITSTATUS(status))
            say("%s: exit status %d", one->name, WEXITSTATUS(status));
    }
    return 0;
}

#endif
