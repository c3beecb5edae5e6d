/* Threads made and joined in places where few programs do it. Arguments: cases; see posix_cases.h. The library
 * libposix_moments_late.so is looked for beside the program. */
#include "posix_cases.h"

#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <sys/mman.h>

static void *quick(void *arg)
{
    return arg;
}

static void here(const char *where)
{
    for (long i = 0; i < 5; i++)
        EXPECT(run_in_thread(quick, (void *)i) == (void *)i);
    pthread_t several[4];
    for (long i = 0; i < 4; i++)
        several[i] = start(quick, (void *)i);
    for (long i = 0; i < 4; i++)
        EXPECT(join(several[i]) == (void *)i);
    say("threads in %s", where);
}

__attribute__((constructor)) static void construct(void)
{
    if (getenv("POSIX_MOMENTS_START"))
        here("a constructor");
}

__attribute__((destructor)) static void destruct(void)
{
    if (getenv("POSIX_MOMENTS_START"))
        here("a destructor");
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    here(arg);
    return 1;
}

static void *walk(void *arg)
{
    dl_iterate_phdr(visit, "a callback of dl_iterate_phdr, in a thread");
    return arg;
}

static void walks(void)
{
    dl_iterate_phdr(visit, "a callback of dl_iterate_phdr");
    run_in_thread(walk, NULL);
    here("between");
    dl_iterate_phdr(visit, "a callback of dl_iterate_phdr");
}

static int visit_and_fork(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    int status;
    waitpid(child, &status, 0);
    say("child of a callback: %d", WEXITSTATUS(status));
    return 1;
}

static void fork_in_walk(void)
{
    here("main");
    dl_iterate_phdr(visit_and_fork, NULL);
    here("main");
}

/* ---- children of a process that has threads ---- */

static void *own_tid(void *arg)
{
    (void)arg;
    return (void *)(long)syscall(SYS_gettid);
}

/* Until a thread is used again, where that happens. */
static void make_threads(void)
{
    void *last = NULL;
    for (int i = 0; i < 100; i++) {
        void *tid = run_in_thread(own_tid, NULL);
        if (tid == last)
            return;
        last = tid;
    }
}

static int count_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Its tasks are noted apart from its parent's. No thread hangs: none is left after a while. */
static void be_child(const char *name)
{
    alarm(15);
    tasks = 0;
    for (int i = 0; i < 50; i++)
        run_in_thread(own_tid, NULL);
    write_recycled(name);
    while (count_threads() > 1)
        pause_ms(1);
    say("a child's tasks have run");
    _exit(0);
}

static void await_child(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    say("the child's status: %d", status);
}

static void children(void)
{
    make_threads();
    pid_t child = fork();
    if (child == 0) {
        make_threads();
        pid_t grandchild = fork();
        if (grandchild == 0)
            be_child("in a grandchild");
        await_child(grandchild);
        be_child("in a child");
    }
    await_child(child);
}

static atomic_int inside, may_leave;

static int stay(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info, (void)size, (void)arg;
    inside = 1;
    wait_for(&may_leave, 1);
    return 1;
}

static void *stay_in_walk(void *arg)
{
    dl_iterate_phdr(stay, NULL);
    return arg;
}

/* In the child the loader's lock is never free again. */
static void fork_beside_walk(void)
{
    make_threads();
    inside = may_leave = 0;
    pthread_t thread = start(stay_in_walk, NULL);
    wait_for(&inside, 1);
    pid_t child = fork();
    if (child == 0)
        be_child("beside a walk");
    await_child(child);
    may_leave = 1;
    join(thread);
}

/* ---- destructors of a thread ---- */

static pthread_key_t key;

static void destroy_key(void *value)
{
    (void)value;
    here("a key's destructor");
}

extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso);
extern void *__dso_handle;

static void destroy_object(void *object)
{
    (void)object;
    here("a thread_local object's destructor");
}

static void *set_all(void *arg)
{
    pthread_setspecific(key, &key);
    __cxa_thread_atexit_impl(destroy_object, NULL, &__dso_handle);
    return arg;
}

static void destructors(void)
{
    EXPECT(pthread_key_create(&key, destroy_key) == 0);
    run_in_thread(set_all, NULL);
    run_in_thread(set_all, NULL);
    EXPECT(pthread_key_delete(key) == 0);
}

/* ---- libraries ---- */

static void late_library(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    strcat(dirname(path), "/libposix_moments_late.so");
    for (int i = 0; i < 20; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            say("dlopen: %s", dlerror());
            return;
        }
        void *(*task)(void *);
        *(void **)&task = dlsym(library, "late_task");
        for (long j = 0; j < 3; j++)
            EXPECT(run_in_thread(task, (void *)j) == (void *)(j + 1000));
        EXPECT(dlclose(library) == 0);
        EXPECT(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
        run_in_thread(quick, NULL);
    }
    say("library opened, its tasks run, and closed");
}

static void *open_in_thread(void *arg)
{
    late_library();
    return arg;
}

static void late_library_in_thread(void)
{
    run_in_thread(open_in_thread, NULL);
}

/* ---- the end ---- */

static void at_exit(void)
{
    here("an atexit handler");
}

static void exit_handlers(void)
{
    pid_t child = fork();
    if (child == 0) {
        atexit(at_exit);
        here("a fork child");
        exit(4);
    }
    int status;
    waitpid(child, &status, 0);
    say("child: %d", WEXITSTATUS(status));
}

static void started(void)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("POSIX_MOMENTS_START", "1", 1);
        execl("/proc/self/exe", "posix_moments", "walks", NULL);
        _exit(97);
    }
    int status;
    waitpid(child, &status, 0);
    say("child: %d", WEXITSTATUS(status));
}

static void handler(int signal)
{
    (void)signal;
    here("a signal handler");
}

static void handlers(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    here("main");
    raise(SIGUSR1);
}

/* A thread that is waited for by spinning only. */
static atomic_int turn;

static void *ping(void *arg)
{
    for (int i = 0; i < 200; i++) {
        while (turn != 1)
            ;
        turn = 0;
    }
    return arg;
}

static void spinning(void)
{
    turn = 0;
    pthread_t thread = start(ping, NULL);
    for (int i = 0; i < 200; i++) {
        turn = 1;
        while (turn != 0)
            ;
    }
    join(thread);
    say("spinning handshakes");
}

/* A fork may come while another thread is in the loader. */
static atomic_int stop;

static void *open_and_close(void *arg)
{
    while (!stop)
        dlclose(dlopen(arg, RTLD_NOW | RTLD_LOCAL));
    return arg;
}

static void *churn(void *arg)
{
    while (!stop)
        run_in_thread(quick, NULL);
    return arg;
}

static void fork_beside_dlopen(void)
{
    static const char *const names[] = {"libposix_moments_late.so", "libfresh_late.so", "libfresh_late_ie.so"};
    char paths[3][PATH_MAX];
    pthread_t threads[6];
    stop = 0;
    for (int i = 0; i < 3; i++) {
        ssize_t length = readlink("/proc/self/exe", paths[i], sizeof paths[i] - 100);
        paths[i][length > 0 ? length : 0] = 0;
        strcat(strcat(dirname(paths[i]), "/"), names[i]);
        threads[i] = start(open_and_close, paths[i]);
        threads[3 + i] = start(churn, NULL);
    }
    int good = 0, status;
    for (int i = 0; i < 1500; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            for (long j = 0; j < 3; j++)
                run_in_thread(quick, NULL);
            _exit(0);
        }
        good += waitpid(child, &status, 0) == child && status == 0;
        if (good <= i)
            break;
    }
    stop = 1;
    for (int i = 0; i < 6; i++)
        join(threads[i]);
    say("good children: %d", good);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"walks", walks, 2},
        {"fork_in_walk", fork_in_walk, 2},
        {"children", children, 2},
        {"fork_beside_walk", fork_beside_walk, 2},
        {"destructors", destructors, 2},
        {"late_library", late_library, 2},
        {"late_library_in_thread", late_library_in_thread, 2},
        {"exit_handlers", exit_handlers, 2},
        {"started", started, 1},
        {"handlers", handlers, 2},
        {"spinning", spinning, 3},
        {"fork_beside_dlopen", fork_beside_dlopen, -1},
        {0},
    };
    return run_cases(argc, argv, cases);
}
