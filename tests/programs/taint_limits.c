/* Threads and processes where the system has no more of them, or no memory. A case prints what it got. The limit on
 * threads is RLIMIT_NPROC, or what is in the file of a control group that UNIRUN_TEST_LIMIT names. */
#include "posix_cases.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <threads.h>

enum { MANY = 8, MOST = 1000, MIB = 1 << 20 };

/* ---- limits ---- */

static void lower(int resource, rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = bytes;
    EXPECT(setrlimit(resource, &limit) == 0);
}

static void limit_memory(rlim_t bytes)
{
    lower(RLIMIT_AS, bytes);
}

/* This process, with its first thread, counts as one. */
static void limit_threads(int count)
{
    const char *path = getenv("UNIRUN_TEST_LIMIT");
    if (!path) {
        EXPECT(setrlimit(RLIMIT_NPROC, &(struct rlimit){(rlim_t)count, (rlim_t)count}) == 0);
        return;
    }
    int fd = open(path, O_WRONLY);
    EXPECT(fd >= 0 && dprintf(fd, "%d", count) > 0);
    close(fd);
}

static long virtual_size(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    EXPECT(file && fscanf(file, "%ld", &pages) == 1);
    if (file)
        fclose(file);
    return pages * 4096;
}

/* ---- threads that stay until they are released ---- */

static pthread_t threads[MOST];
static sem_t go;

static void *stay(void *arg)
{
    while (sem_wait(&go))
        ;
    return arg;
}

static void *quick(void *arg)
{
    return arg;
}

/* The kernel may still count a thread that was joined a moment ago. */
static int create_patiently(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *))
{
    int error = pthread_create(thread, attr, run, NULL);
    for (int i = 0; error == EAGAIN && i < 50; i++) {
        pause_ms(1);
        error = pthread_create(thread, attr, run, NULL);
    }
    return error;
}

/* At most `count`; how many there are. */
static int start_many(int count, const pthread_attr_t *attr, void *(*run)(void *), int *error)
{
    int made = 0;
    *error = 0;
    while (made < count && (*error = create_patiently(&threads[made], attr, run)) == 0)
        made++;
    return made;
}

static void end_many(int count)
{
    for (int i = 0; i < count; i++)
        sem_post(&go);
    for (int i = 0; i < count; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
}

static void say_start(const char *what, int count, const pthread_attr_t *attr)
{
    int error, made = start_many(count, attr, stay, &error);
    say("%s: %d, %s", what, made, name_of(error));
    end_many(made);
}

/* Threads that have ended are still in the kernel for a moment. */
static void settle(void)
{
    for (int i = 0; i < 200; i++) {
        int count = 0;
        DIR *directory = opendir("/proc/self/task");
        while (directory && readdir(directory))
            count++;
        closedir(directory);
        if (count == 3)
            return;
        pause_ms(1);
    }
}

/* Leaves used threads behind, where threads are used again. */
static void use_many(void)
{
    int error;
    end_many(start_many(MANY, NULL, stay, &error));
    EXPECT(error == 0);
    settle();
}

/* ---- too many threads ---- */

static void refused(void)
{
    limit_threads(1 + MANY);
    say_start("threads", MOST, NULL);
    say_start("again", MOST, NULL);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, MIB);
    say_start("with another stack", MOST, &attr);
    say_start("and as before", MOST, NULL);
}

static int c11_quick(void *arg)
{
    (void)arg;
    return 0;
}

static void refused_c11(void)
{
    thrd_t thread;
    limit_threads(1);
    say("thrd_create: %s", thrd_create(&thread, c11_quick, NULL) == thrd_error ? "thrd_error" : "something else");
}

static void lowered(void)
{
    use_many();
    limit_threads(1 + MANY);
    say_start("as many as before", MANY, NULL);
}

static void lowered_below(void)
{
    use_many();
    limit_threads(1 + MANY / 2);
    say_start("as many as before", MANY, NULL);
}

/* Ended threads are none for the kernel, joined or not. */
static void unjoined(void)
{
    pthread_t ended[MANY];
    int made = 0;
    limit_threads(1 + MANY);
    while (made < MANY && create_patiently(&ended[made], NULL, quick) == 0)
        made++;
    say("ended: %d", made);
    say_start("beside them", MANY, NULL);
    while (made--)
        EXPECT(pthread_join(ended[made], NULL) == 0);
}

static void detached(void)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    limit_threads(1 + MANY);
    for (int i = 0; i < 5 * MANY; i++)
        EXPECT(create_patiently(&threads[0], &attr, quick) == 0);
    settle();
    say_start("after detached ones", MANY, NULL);
}

/* ---- processes that find no room because of threads that have ended ---- */

static void say_child(const char *how, pid_t child)
{
    int status = -1;
    if (child < 0)
        say("%s: %s", how, name_of(errno));
    else
        say("%s: %d", how, waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void make_room(void)
{
    use_many();
    limit_threads(2);
}

static void by_fork(void)
{
    make_room();
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    say_child("fork", child);
}

static void by_vfork(void)
{
    make_room();
    pid_t child = vfork();
    if (child == 0)
        _exit(3);
    say_child("vfork", child);
}

static void by_spawn(void)
{
    extern char **environ;
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 3", NULL};
    pid_t child = -1;
    make_room();
    errno = posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ);
    say_child("posix_spawn", errno ? -1 : child);
}

static void by_system(void)
{
    make_room();
    int status = system("exit 3");
    if (status == -1)
        say("system: %s", name_of(errno));
    else
        say("system: %d", WEXITSTATUS(status));
}

static void by_popen(void)
{
    make_room();
    FILE *pipe = popen("exit 3", "r");
    if (pipe)
        say("popen: %d", WEXITSTATUS(pclose(pipe)));
    else
        say("popen: %s", name_of(errno));
}

/* ---- no memory ---- */

static void stacks(void)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, MIB);
    limit_memory((rlim_t)virtual_size() + 20 * MIB + MIB / 2);
    say_start("threads of one MiB", MOST, &attr);
    say_start("again", MOST, &attr);
    pthread_attr_setstacksize(&attr, 2 * MIB);
    say_start("of two", MOST, &attr);
}

/* libc keeps stacks of ended threads too, but no more than 40 MiB. */
static void room(void)
{
    long before = virtual_size();
    int error, made = start_many(40, NULL, stay, &error);
    end_many(made);
    limit_memory((rlim_t)before + 200 * MIB);
    void *memory = mmap(NULL, 100 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("100 MiB after %d threads: %s", made, memory == MAP_FAILED ? name_of(errno) : "there");
}

static long data_size(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmData: %ld", &kib);
    if (file)
        fclose(file);
    return kib * 1024;
}

static void room_for_data(void)
{
    long before = data_size();
    int error, made = start_many(40, NULL, stay, &error);
    end_many(made);
    lower(RLIMIT_DATA, (rlim_t)before + 200 * MIB);
    void *memory = mmap(NULL, 100 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("100 MiB of data after %d threads: %s", made, memory == MAP_FAILED ? name_of(errno) : "there");
}

/* A thread with scheduling of its own is always a new one, and libc keeps its stack for the next. */
static void leave_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    EXPECT(create_patiently(&thread, &attr, quick) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

/* A thread for which the stack that is left is too small. */
static int start_larger(pthread_t *thread)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, MIB);
    return create_patiently(thread, &attr, stay) == 0;
}

/* Threads that need a stack that is there already, and nothing else of the system. In between others, so that whatever
 * the shim keeps for a thread, and has got in a batch, is used up at one such moment or the other. */
static void records(void)
{
    enum { THREADS = 100 };
    int made = 0, without = 0;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    pthread_setattr_default_np(&attr);
    for (int i = 0; i < 2 * THREADS; i++) {
        leave_stack();
        made += start_larger(&threads[made]);
        if (i == THREADS)
            made += start_larger(&threads[made]);
        limit_memory(4096);
        int error = pthread_create(&threads[made], NULL, stay, NULL);
        limit_memory(RLIM_INFINITY);
        made += !error;
        without += !error;
    }
    say("threads without memory: %d of %d", without, 2 * THREADS);
    end_many(made);
}

int main(int argc, char **argv)
{
    sem_init(&go, 0, 0);
    static const struct one cases[] = {
        {"refused", refused, -1},
        {"refused_c11", refused_c11, -1},
        {"lowered", lowered, -1},
        {"lowered_below", lowered_below, -1},
        {"unjoined", unjoined, -1},
        {"detached", detached, -1},
        {"fork", by_fork, -1},
        {"vfork", by_vfork, -1},
        {"posix_spawn", by_spawn, -1},
        {"system", by_system, -1},
        {"popen", by_popen, -1},
        {"stacks", stacks, -1},
        {"room", room, -1},
        {"room_for_data", room_for_data, -1},
        {"records", records, -1},
        {NULL, NULL, 0},
    };
    return run_cases(argc, argv, cases);
}
