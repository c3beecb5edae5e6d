/* Makes calls that managed mode reports, after doing to its stderr what the first argument says.
 * Second argument: how many. Third: how the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *arg)
{
    return arg;
}

/* What a thread needs of its stack before it starts, so that the smallest stack that may be asked for is too small:
 * libc refuses it (EINVAL) before it locks, allocates or changes anything. */
static __thread volatile char ballast[2 * 16384];
static pthread_attr_t too_small;

static void make_too_small(void)
{
    static char stack[16384] __attribute__((aligned(4096)));
    ballast[0] = 1;
    if (pthread_attr_init(&too_small) || pthread_attr_setstack(&too_small, stack, sizeof stack))
        abort();
}

/* One call that managed mode does not manage: a thread on a stack of its own. */
static void call(void)
{
    pthread_t thread;
    errno = 4711;
    if (pthread_create(&thread, &too_small, nothing, NULL) != EINVAL)
        abort();
    if (errno != 4711)
        printf("errno changed to %d\n", errno);
}

static int open_at_2(const char *path, int flags)
{
    close(2);
    int fd = open(path, flags | O_CREAT, 0600);
    if (fd != 2)
        abort();
    return fd;
}

static void fill_pipe(void)
{
    char block[4096] = {0};
    int flags = fcntl(2, F_GETFL);
    fcntl(2, F_SETFL, flags | O_NONBLOCK);
    while (write(2, block, sizeof block) > 0)
        ;
    fcntl(2, F_SETFL, flags);
}

static void drain_pipe(void)
{
    char block[4096];
    int fd = open("/proc/self/fd/2", O_RDONLY | O_NONBLOCK);
    while (read(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

static volatile sig_atomic_t signals;
static void count_signal(int signal)
{
    (void)signal;
    signals++;
    call();
}

static void *create_with_cancel_pending(void *arg)
{
    (void)arg;
    pthread_t thread;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
    pthread_cancel(pthread_self());
    for (int i = 0; i < 10; i++)
        call();
    (void)thread;
    puts("not cancelled by the log");
    pthread_testcancel();
    puts("never here");
    return NULL;
}

static void call_in_handler(int signal)
{
    (void)signal;
    call();
}

static void count_in_handler(int signal)
{
    (void)signal;
    sysconf(_SC_NPROCESSORS_ONLN);
}

static void fork_in_handler(int signal)
{
    (void)signal;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* SIGUSR1 gets an alternate stack of so many bytes, below which nothing can be written. */
static void make_stack(void (*handler)(int signal), size_t size)
{
    enum { PAGE = 4096 };
    char *memory = mmap(NULL, 17 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + PAGE, 16 * PAGE, PROT_READ | PROT_WRITE))
        abort();
    stack_t stack = {.ss_sp = memory + PAGE, .ss_size = size};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL))
        abort();
}

static void prepare(const char *how)
{
    struct rlimit none = {0, 0};
    if (!strcmp(how, "closed"))
        close(2);
    else if (!strcmp(how, "file"))
        open_at_2("data", O_WRONLY);
    else if (!strcmp(how, "unlinked"))
        unlink("log"), open_at_2("log", O_WRONLY);
    else if (!strcmp(how, "socket")) {
        int pair[2];
        close(2);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || (pair[0] != 2 && pair[1] != 2))
            abort();
    } else if (!strcmp(how, "closefrom"))
        closefrom(3);
    else if (!strcmp(how, "full"))
        fill_pipe();
    else if (!strcmp(how, "nothing-to-write"))
        setrlimit(RLIMIT_FSIZE, &none);
    else if (!strcmp(how, "own-sigpipe")) {
        /* A SIGPIPE of the program's own is pending: it must still be there afterwards. */
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGPIPE);
    } else if (!strcmp(how, "timer")) {
        struct itimerval every = {{0, 1000}, {0, 1000}};
        signal(SIGALRM, count_signal);
        setitimer(ITIMER_REAL, &every, NULL);
    } else if (!strncmp(how, "stack=", 6))
        make_stack(call_in_handler, (size_t)atoi(how + 6));
    else if (!strncmp(how, "count-stack=", 12))
        make_stack(count_in_handler, (size_t)atoi(how + 12));
    else if (!strncmp(how, "fork-stack=", 11))
        make_stack(fork_in_handler, (size_t)atoi(how + 11));
    else if (strcmp(how, "nothing"))
        abort();
}

static void check(const char *how)
{
    sigset_t pending;
    sigpending(&pending);
    printf("SIGPIPE pending %d, SIGXFSZ pending %d, SIGTTOU pending %d\n", sigismember(&pending, SIGPIPE),
           sigismember(&pending, SIGXFSZ), sigismember(&pending, SIGTTOU));
    struct itimerval stop = {{0, 0}, {0, 0}};
    if (!strcmp(how, "timer"))
        setitimer(ITIMER_REAL, &stop, NULL);
    if (!strcmp(how, "full"))
        drain_pipe();
    fflush(stdout);
}

/* All threads of a team end the process at the same moment. */
static pthread_barrier_t together;

static void *end_together(void *way)
{
    pthread_barrier_wait(&together);
    if (way)
        _exit(7);
    exit(7);
}

static void end_by_many(bool at_once)
{
    enum { TEAM = 16 };
    pthread_t thread;
    pthread_barrier_init(&together, NULL, TEAM);
    for (int i = 1; i < TEAM; i++)
        if (pthread_create(&thread, NULL, end_together, at_once ? &together : NULL))
            abort();
    end_together(at_once ? &together : NULL);
}

static void end(const char *how)
{
    if (!strcmp(how, "threads-exit") || !strcmp(how, "threads-_exit"))
        end_by_many(!strcmp(how, "threads-_exit"));
    if (!strcmp(how, "exit"))
        exit(7);
    if (!strcmp(how, "quick_exit"))
        quick_exit(7);
    if (!strcmp(how, "_exit"))
        _exit(7);
    if (!strcmp(how, "_Exit"))
        _Exit(7);
    if (!strcmp(how, "execv"))
        execv("/bin/sh", (char *const[]){(char *)"sh", (char *)"-c", (char *)"exit 7", NULL});
    if (!strcmp(how, "execlp"))
        execlp("sh", "sh", "-c", "exit 7", (char *)NULL);
    if (!strcmp(how, "cancel")) {
        pthread_t thread;
        pthread_create(&thread, NULL, create_with_cancel_pending, NULL);
        pthread_join(thread, NULL);
        exit(7);
    }
    if (!strcmp(how, "fork")) {
        /* The child owes nothing; then it makes one call of its own. vfork's child must not tell its parent's counts.
         */
        int status;
        pid_t pid;
        for (int way = 0; way < 3; way++) {
            pid = way == 0 ? fork() : way == 1 ? _Fork() : (pid_t)syscall(SYS_fork);
            if (pid == 0) {
                call();
                exit(0);
            }
            waitpid(pid, &status, 0);
        }
        if ((pid = vfork()) == 0)
            execl("/bin/true", "true", (char *)NULL);
        waitpid(pid, &status, 0);
        exit(7);
    }
    abort();
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc != 4)
        return 2;
    make_too_small();
    prepare(argv[1]);
    for (int i = atoi(argv[2]); i > 0; i--)
        if (strstr(argv[1], "stack="))
            raise(SIGUSR1);
        else
            call();
    if (!strcmp(argv[1], "timer"))
        while (signals < 200)
            if (pthread_create(&thread, NULL, nothing, NULL) == 0)
                pthread_join(thread, NULL);
    check(argv[1]);
    end(argv[3]);
}
