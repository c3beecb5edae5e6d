/* 48 threads blocked at once in each kind of call; one more thread releases them all. Then threads that wait for each
 * other by spinning. Several rounds, so that later ones run on used threads. */
#include "posix_cases.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <threads.h>

enum { BLOCKED = 48 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static int pipes[2], sockets[2], event, epoll;
static atomic_int flag, about, released;
static uint32_t futex;
static pthread_spinlock_t spinlock;

static void *wait_flag(void *arg)
{
    wait_for(&flag, 1);
    return arg;
}

static void in_mutex(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}
static void out_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}
static void make_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

static void in_rwlock(void)
{
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}
static void make_rwlock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}
static void out_rwlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static void in_cond(void)
{
    pthread_mutex_lock(&mutex);
    while (!flag)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}
static void out_cond(void)
{
    pthread_mutex_lock(&mutex);
    flag = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}

static void in_sem(void)
{
    while (sem_wait(&sem))
        ;
}
static void out_sem(void)
{
    for (int i = 0; i < BLOCKED; i++)
        sem_post(&sem);
}

static void in_read(void)
{
    char byte;
    EXPECT(read(pipes[0], &byte, 1) == 1);
}
static void out_read(void)
{
    char bytes[BLOCKED] = {0};
    EXPECT(write(pipes[1], bytes, BLOCKED) == BLOCKED);
}

static void in_poll(void)
{
    struct pollfd wanted = {.fd = event, .events = POLLIN};
    EXPECT(poll(&wanted, 1, -1) == 1);
}
static void in_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(event, &set);
    EXPECT(select(event + 1, &set, NULL, NULL, NULL) == 1);
}
static void in_epoll(void)
{
    struct epoll_event got;
    EXPECT(epoll_wait(epoll, &got, 1, -1) == 1);
}
static void out_event(void)
{
    uint64_t one = 1;
    EXPECT(write(event, &one, sizeof one) == sizeof one);
}
static void make_event(void)
{
    uint64_t old;
    if (read(event, &old, sizeof old) < 0)
        EXPECT(errno == EAGAIN);
}

static void in_recv(void)
{
    char byte;
    EXPECT(recv(sockets[0], &byte, 1, 0) == 1);
}
static void out_recv(void)
{
    char bytes[BLOCKED] = {0};
    EXPECT(send(sockets[1], bytes, BLOCKED, 0) == BLOCKED);
}

static void make_futex(void)
{
    __atomic_store_n(&futex, 0, __ATOMIC_SEQ_CST);
}
static void in_futex(void)
{
    while (!__atomic_load_n(&futex, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &futex, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static void out_futex(void)
{
    __atomic_store_n(&futex, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &futex, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void in_barrier(void)
{
    pthread_barrier_wait(&barrier);
}

static void in_sleep(void)
{
    while (!flag)
        pause_ms(10);
}
static void in_yield(void)
{
    while (!flag)
        sched_yield();
}
static void out_flag(void)
{
    flag = 1;
}

static void nothing(int signal)
{
    (void)signal;
}
static void in_sigwait(void)
{
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    sigwait(&set, &got);
}
static void out_sigwait(void)
{
    for (int i = 0; i < BLOCKED; i++)
        EXPECT(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){0}) == 0);
}

static void in_join(void)
{
    pthread_t thread = start(wait_flag, NULL);
    join(thread);
}
static void in_c11_join(void)
{
    thrd_join(start(wait_flag, NULL), NULL);
}
static void in_timedjoin(void)
{
    struct timespec later = {time(NULL) + 100, 0};
    EXPECT(pthread_timedjoin_np(start(wait_flag, NULL), NULL, &later) == 0);
}
static void in_tryjoin(void)
{
    pthread_t thread = start(wait_flag, NULL);
    while (pthread_tryjoin_np(thread, NULL) == EBUSY)
        sched_yield();
}

static void make_spinlock(void)
{
    pthread_spin_lock(&spinlock);
}
static void out_spinlock(void)
{
    pthread_spin_unlock(&spinlock);
}
static void in_spinlock(void)
{
    while (pthread_spin_trylock(&spinlock))
        sched_yield();
    pthread_spin_unlock(&spinlock);
}

static const struct kind {
    const char *name;
    void (*make)(void), (*in)(void), (*out)(void);
} kinds[] = {
    {"mutex", make_mutex, in_mutex, out_mutex},
    {"rwlock", make_rwlock, in_rwlock, out_rwlock},
    {"cond", NULL, in_cond, out_cond},
    {"semaphore", NULL, in_sem, out_sem},
    {"read", NULL, in_read, out_read},
    {"poll", make_event, in_poll, out_event},
    {"select", make_event, in_select, out_event},
    {"epoll", make_event, in_epoll, out_event},
    {"recv", NULL, in_recv, out_recv},
    {"futex", make_futex, in_futex, out_futex},
    {"barrier", NULL, in_barrier, in_barrier},
    {"sleep", NULL, in_sleep, out_flag},
    {"yield", NULL, in_yield, out_flag},
    {"sigwait", NULL, in_sigwait, out_sigwait},
    {"join", NULL, in_join, out_flag},
    {"thrd_join", NULL, in_c11_join, out_flag},
    {"timedjoin", NULL, in_timedjoin, out_flag},
    {"tryjoin", NULL, in_tryjoin, out_flag},
    {"spinlock", make_spinlock, in_spinlock, out_spinlock},
};

static void *block(void *arg)
{
    const struct kind *kind = arg;
    about++;
    kind->in();
    released++;
    return arg;
}

static void *release(void *arg)
{
    const struct kind *kind = arg;
    kind->out();
    return arg;
}

static void all_kinds(void)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct kind *kind = &kinds[k];
        pthread_t threads[BLOCKED];
        flag = about = released = 0;
        if (kind->make)
            kind->make();
        for (int i = 0; i < BLOCKED; i++)
            threads[i] = start(block, (void *)kind);
        wait_for(&about, BLOCKED);
        pause_ms(5);
        EXPECT(released == 0);
        if (kind->make == make_mutex || kind->make == make_rwlock || kind->make == make_spinlock)
            kind->out(); /* who has locked unlocks */
        else
            run_in_thread(release, (void *)kind);
        for (int i = 0; i < BLOCKED; i++)
            join(threads[i]);
        say("%s: %d released", kind->name, released);
    }
}

/* ---- waiting by spinning, without giving the CPU away ---- */

enum { SPINNERS = 3, TURNS = 30 };
static atomic_int turn;

static void *spin(void *arg)
{
    int mine = (int)(long)arg;
    for (int i = 0; i < TURNS; i++) {
        while (turn != i * SPINNERS + mine)
            ;
        turn++;
    }
    return arg;
}

static void spinning(void)
{
    pthread_t threads[SPINNERS];
    turn = 0;
    for (long i = 0; i < SPINNERS; i++)
        threads[i] = start(spin, (void *)i);
    for (int i = 0; i < SPINNERS; i++)
        join(threads[i]);
    say("turns: %d", turn);
}

/* A new thread is needed by one that spins: it is not waiting for the spinner's end. */
static void *needed(void *arg)
{
    *(atomic_int *)arg = 1;
    return NULL;
}

static void *spin_for_new(void *arg)
{
    atomic_int came = 0;
    pthread_t thread = start(needed, &came);
    while (!came)
        ;
    join(thread);
    return arg;
}

static void spinning_for_new(void)
{
    for (int i = 0; i < 100; i++)
        run_in_thread(spin_for_new, NULL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        threads[i] = start(spin_for_new, NULL);
    for (int i = 0; i < 8; i++)
        join(threads[i]);
    say("new threads come while others spin");
}

/* For a debugger to look at: three threads, on used ones. */
static void gdb_target(void)
{
    static const struct kind kind = {"sleep", NULL, in_sleep, out_flag};
    pthread_t threads[3];
    for (int i = 0; i < 10; i++)
        run_in_thread(needed, &flag);
    flag = about = 0;
    for (int i = 0; i < 3; i++)
        threads[i] = start(block, (void *)&kind);
    wait_for(&about, 3);
    say("blocked %d", (int)getpid());
    for (int i = 0; i < 3; i++)
        join(threads[i]);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"all_kinds", all_kinds, 3},
        {"spinning", spinning, 3},
        {"spinning_for_new", spinning_for_new, 2},
        {"gdb_target", gdb_target, -1},
        {0},
    };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, nothing);
    event = eventfd(0, EFD_NONBLOCK);
    epoll = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN};
    EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
    EXPECT(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && sem_init(&sem, 0, 0) == 0);
    EXPECT(pthread_barrier_init(&barrier, NULL, BLOCKED + 1) == 0 && pthread_spin_init(&spinlock, 0) == 0);
    return run_cases(argc, argv, cases);
}
