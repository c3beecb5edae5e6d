/* pthread_exit, cleanup handlers and cancellation. */
#include "posix_cases.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>

static const char *result_name(void *result)
{
    static char text[32];
    if (result == PTHREAD_CANCELED)
        return "PTHREAD_CANCELED";
    snprintf(text, sizeof text, "%ld", (long)result);
    return text;
}

static void clean(void *arg)
{
    say("cleans %s", (const char *)arg);
}

/* What the next thread finds. */
static void *check_fresh(void *arg)
{
    int state = -1, type = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    EXPECT(state == PTHREAD_CANCEL_ENABLE && type == PTHREAD_CANCEL_DEFERRED && errno == 0);
    pthread_testcancel();
    return arg;
}

static void fresh_afterwards(void)
{
    for (long i = 0; i < 5; i++)
        EXPECT(run_in_thread(check_fresh, (void *)i) == (void *)i);
}

/* ---- pthread_exit ---- */

static void *exit_at_once(void *arg)
{
    pthread_exit(arg);
}

static __attribute__((noinline)) void inner(void *value)
{
    pthread_cleanup_push(clean, "the inner function");
    pthread_exit(value);
    pthread_cleanup_pop(0);
}

static __attribute__((noinline)) void middle(void *value)
{
    pthread_cleanup_push(clean, "the middle function");
    inner(value);
    pthread_cleanup_pop(0);
}

static void *exit_deep(void *arg)
{
    pthread_cleanup_push(clean, "the start routine");
    middle(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *pop_one(void *arg)
{
    pthread_cleanup_push(clean, "not this");
    pthread_cleanup_push(clean, "this");
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(0);
    return arg;
}

static void exits(void)
{
    say("exit: %s", result_name(run_in_thread(exit_at_once, (void *)5)));
    say("exit deep: %s", result_name(run_in_thread(exit_deep, (void *)6)));
    say("pop: %s", result_name(run_in_thread(pop_one, (void *)8)));
    pthread_t thread = start(exit_at_once, (void *)9);
    pause_ms(10);
    say("kill after exit: %s", name_of(pthread_kill(thread, 0)));
    say("cancel after exit: %s", name_of(pthread_cancel(thread)));
    say("exit: %s", result_name(join(thread)));
    for (long i = 0; i < 100; i++)
        EXPECT(run_in_thread(exit_at_once, (void *)i) == (void *)i);
    fresh_afterwards();
}

/* ---- cancelled in a call ---- */

static atomic_int ready_tid;
static int pipes[2], sockets[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *never(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void in_read(void)
{
    char byte;
    EXPECT(read(pipes[0], &byte, 1) == -2);
}

static void in_write(void)
{
    static const char bytes[1 << 17];
    for (;;)
        EXPECT(write(pipes[1], bytes, sizeof bytes) > 0);
}

static void in_poll(void)
{
    struct pollfd poll_fd = {.fd = sockets[0], .events = POLLIN};
    poll(&poll_fd, 1, -1);
}

static void in_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(sockets[0], &set);
    select(sockets[0] + 1, &set, NULL, NULL, NULL);
}

static void in_recv(void)
{
    char byte;
    EXPECT(recv(sockets[0], &byte, 1, 0) == -2);
}

static void in_sem(void)
{
    sem_wait(&sem);
}

static void in_sem_timed(void)
{
    struct timespec later = {time(NULL) + 100, 0};
    sem_timedwait(&sem, &later);
}

static void unlock_mutex(void *arg)
{
    EXPECT(pthread_mutex_trylock(&mutex) == EBUSY);
    EXPECT(pthread_mutex_unlock(&mutex) == 0);
    (void)arg;
}

static void in_cond(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock_mutex, NULL);
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(0);
}

static void in_cond_timed(void)
{
    struct timespec later = {time(NULL) + 100, 0};
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock_mutex, NULL);
    for (;;)
        pthread_cond_timedwait(&cond, &mutex, &later);
    pthread_cleanup_pop(0);
}

static void in_sleep(void)
{
    sleep(100);
}

static void in_pause(void)
{
    pause();
}

static void in_sigwait(void)
{
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &got);
}

static void in_waitpid(void)
{
    for (;;)
        if (waitpid(-1, NULL, 0) < 0)
            pause();
}

static pthread_t other;

static void in_join(void)
{
    pthread_join(other, NULL);
}

static void in_timedjoin(void)
{
    struct timespec later = {time(NULL) + 100, 0};
    pthread_timedjoin_np(other, NULL, &later);
}

static void in_accept(void)
{
    accept(sockets[1], NULL, NULL);
    pause();
}

static void in_fcntl_lock(void)
{
    for (;;)
        usleep(1000000);
}

static void in_spin(void)
{
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    for (;;)
        __asm__ volatile("");
}

static void in_testcancel(void)
{
    for (;;)
        pthread_testcancel();
}

static void *call(void *arg)
{
    void (*in)(void);
    memcpy(&in, arg, sizeof in);
    pthread_cleanup_push(clean, "the call");
    ready_tid = (int)syscall(SYS_gettid);
    in();
    pthread_cleanup_pop(0);
    return (void *)1;
}

static void one_call(const char *name, void (*in)(void), bool sleeps)
{
    ready_tid = 0;
    pthread_t thread = start(call, &in);
    while (!ready_tid)
        pause_ms(1);
    if (sleeps)
        wait_asleep(ready_tid);
    int error = pthread_cancel(thread);
    say("in %s: %s %s", name, name_of(error), result_name(join(thread)));
    ready_tid = 0;
    /* Requested before the call: it does not begin. */
    thread = start(call, &in);
    error = pthread_cancel(thread);
    EXPECT(join(thread) == PTHREAD_CANCELED);
    check_fresh(NULL);
    EXPECT(run_in_thread(check_fresh, (void *)3) == (void *)3);
}

static void calls(void)
{
    EXPECT(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && sem_init(&sem, 0, 0) == 0);
    other = start(never, NULL);
    one_call("read", in_read, true);
    one_call("poll", in_poll, true);
    one_call("select", in_select, true);
    one_call("recv", in_recv, true);
    one_call("sem_wait", in_sem, true);
    one_call("sem_timedwait", in_sem_timed, true);
    one_call("cond_wait", in_cond, true);
    one_call("cond_timedwait", in_cond_timed, true);
    one_call("sleep", in_sleep, true);
    one_call("pause", in_pause, true);
    one_call("sigwait", in_sigwait, true);
    one_call("waitpid", in_waitpid, true);
    one_call("accept", in_accept, true);
    one_call("usleep", in_fcntl_lock, true);
    one_call("join", in_join, true);
    one_call("timedjoin", in_timedjoin, true);
    one_call("a spin", in_spin, false);
    one_call("testcancel", in_testcancel, false);
    one_call("write", in_write, true);
    EXPECT(pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    /* Whom the cancelled joiners waited for can still be joined. */
    pthread_cancel(other);
    say("the other: %s", result_name(join(other)));
    close(pipes[0]), close(pipes[1]), close(sockets[0]), close(sockets[1]);
    fresh_afterwards();
}

/* ---- a joiner that is cancelled, many times, and the one it waited for ends well ---- */

static atomic_int gate;

static void *wait_gate(void *arg)
{
    wait_for(&gate, 1);
    return arg;
}

static void cancelled_joiner(void)
{
    void (*in)(void) = in_join;
    gate = 0;
    other = start(wait_gate, (void *)12);
    for (int i = 0; i < 20; i++) {
        ready_tid = 0;
        pthread_t thread = start(call, &in);
        while (!ready_tid)
            pause_ms(1);
        if (i % 2)
            wait_asleep(ready_tid);
        pthread_cancel(thread);
        EXPECT(join(thread) == PTHREAD_CANCELED);
    }
    gate = 1;
    say("after 20 cancelled joiners: %s", result_name(join(other)));
}

/* ---- state and type ---- */

static void *disabled(void *arg)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    ready_tid = 1;
    wait_for(&gate, 1);
    pthread_testcancel();
    if (arg) {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
        pthread_testcancel();
    }
    return (void *)13;
}

static void pending(void)
{
    for (long enable = 0; enable < 2; enable++) {
        ready_tid = gate = 0;
        pthread_t thread = start(disabled, (void *)enable);
        wait_for(&ready_tid, 1);
        say("cancel: %s", name_of(pthread_cancel(thread)));
        say("again: %s", name_of(pthread_cancel(thread)));
        gate = 1;
        say("disabled, %s: %s", enable ? "then enabled" : "to its end", result_name(join(thread)));
        fresh_afterwards();
    }
}

static void *cancel_self(void *arg)
{
    pthread_cleanup_push(clean, "itself");
    say("cancel itself: %s", name_of(pthread_cancel(pthread_self())));
    if (arg) {
        int old;
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    }
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return arg;
}

static void *cancel_self_async(void *arg)
{
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    pthread_cleanup_push(clean, "itself, at once");
    pthread_cancel(pthread_self());
    say("not reached");
    pthread_cleanup_pop(0);
    return arg;
}

static void *cancel_and_return(void *arg)
{
    pthread_cancel(pthread_self());
    return arg;
}

static void *quick(void *arg)
{
    return arg;
}

static void *leave_strange(void *arg)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    errno = 55;
    return arg;
}

static void self(void)
{
    say("%s", result_name(run_in_thread(cancel_self, (void *)0)));
    say("%s", result_name(run_in_thread(cancel_self, (void *)1)));
    say("%s", result_name(run_in_thread(cancel_self_async, NULL)));
    say("cancelled, returns: %s", result_name(run_in_thread(cancel_and_return, (void *)4)));
    fresh_afterwards();
    for (int i = 0; i < 20; i++) {
        run_in_thread(leave_strange, NULL);
        fresh_afterwards();
    }
    pthread_t thread = start(quick, (void *)17);
    pause_ms(20);
    int error = pthread_cancel(thread);
    say("cancel after the end: %s %s", name_of(error), result_name(join(thread)));
    fresh_afterwards();
    thread = start(quick, (void *)18);
    pause_ms(20);
    error = pthread_cancel(thread);
    say("and detach: %s %s", name_of(error), name_of(pthread_detach(thread)));
    fresh_afterwards();
}

/* A cancel that races with the end gives one of two results, and never reaches a later thread. */
static void races(void)
{
    int odd = 0;
    for (long i = 0; i < 500; i++) {
        pthread_t thread = start(quick, (void *)i);
        pthread_cancel(thread);
        void *result = join(thread);
        odd += result != PTHREAD_CANCELED && result != (void *)i;
        EXPECT(run_in_thread(check_fresh, (void *)i) == (void *)i);
    }
    say("odd results: %d", odd);
}

/* ---- destructors of keys run when a thread is cancelled or exits, once ---- */

static atomic_int destroyed;
static pthread_key_t key;

static void count(void *value)
{
    (void)value;
    destroyed++;
}

static void *set_and_wait(void *arg)
{
    pthread_setspecific(key, &key);
    ready_tid = 1;
    if (arg)
        pthread_exit(NULL);
    return never(arg);
}

static void keys(void)
{
    EXPECT(pthread_key_create(&key, count) == 0);
    destroyed = 0;
    for (long i = 0; i < 40; i++) {
        ready_tid = 0;
        pthread_t thread = start(set_and_wait, (void *)(i % 2));
        wait_for(&ready_tid, 1);
        if (i % 2 == 0)
            pthread_cancel(thread);
        join(thread);
        EXPECT(destroyed == i + 1);
    }
    EXPECT(pthread_key_delete(key) == 0);
    say("destroyed: %d", destroyed);
}

/* ---- detached threads that are cancelled or exit ---- */

static void *detached_wait(void *arg)
{
    pthread_cleanup_push(count, NULL);
    ready_tid = 1;
    never(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *detached_exit(void *arg)
{
    destroyed++;
    pthread_exit(arg);
}

static void detached(void)
{
    destroyed = 0;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        ready_tid = 0;
        EXPECT(try_start(&thread, i % 2 ? &attr : NULL, detached_wait, NULL) == 0);
        wait_for(&ready_tid, 1);
        if (i % 2 == 0)
            EXPECT(pthread_detach(thread) == 0);
        EXPECT(pthread_cancel(thread) == 0);
        EXPECT(try_start(&thread, i % 2 ? &attr : NULL, detached_exit, NULL) == 0);
        if (i % 2 == 0)
            EXPECT(pthread_detach(thread) == 0);
    }
    wait_for(&destroyed, 200);
    pthread_attr_destroy(&attr);
    fresh_afterwards();
    say("detached: %d", destroyed);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"exits", exits, 3},     {"calls", calls, 2},       {"cancelled_joiner", cancelled_joiner, 2},
        {"pending", pending, 3}, {"self", self, 3},         {"races", races, 2},
        {"keys", keys, 3},       {"detached", detached, 3}, {0},
    };
    return run_cases(argc, argv, cases);
}
