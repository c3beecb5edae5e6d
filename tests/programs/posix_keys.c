/* Thread-specific keys, once, and fork handlers. */
#include "posix_cases.h"

#include <threads.h>

/* ---- destructors: which, in which order, how often ---- */

enum { KEYS = 40 }; /* more than libc keeps in a thread's first block */
static pthread_key_t keys[KEYS];
static int rounds_of[KEYS];
static atomic_int destroyed;

static void note(void *value)
{
    int which = (int)(long)value - 1;
    EXPECT(pthread_getspecific(keys[which]) == NULL);
    say("destroys %d", which);
}

static void set_again(void *value)
{
    int which = (int)(long)value - 1;
    rounds_of[which]++;
    pthread_setspecific(keys[which], value);
}

static void set_others(void *value)
{
    int which = (int)(long)value - 1;
    say("destroys %d, sets %d and %d", which, which - 1, which + 1);
    pthread_setspecific(keys[which - 1], (void *)(long)(which - 1 + 1));
    pthread_setspecific(keys[which + 1], (void *)(long)(which + 1 + 1));
}

static void *expect_empty(void *arg)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_getspecific(keys[i]) == NULL);
    return arg;
}

static void *set_all(void *arg)
{
    expect_empty(arg);
    for (int i = KEYS - 1; i >= 0; i--)
        pthread_setspecific(keys[i], (void *)(long)(i + 1));
    return arg;
}

static void make_keys(void (*destructor)(void *))
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_key_create(&keys[i], destructor) == 0);
}

static void delete_keys(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_key_delete(keys[i]) == 0);
}

static void order(void)
{
    make_keys(note);
    run_in_thread(set_all, NULL);
    run_in_thread(expect_empty, NULL);
    run_in_thread(set_all, NULL);
    delete_keys();
}

static void again(void)
{
    memset(rounds_of, 0, sizeof rounds_of);
    make_keys(set_again);
    run_in_thread(set_all, NULL);
    say("rounds: %d %d %d", rounds_of[0], rounds_of[1], rounds_of[KEYS - 1]);
    run_in_thread(expect_empty, NULL);
    delete_keys();
}

static void *set_two(void *arg)
{
    pthread_setspecific(keys[5], (void *)6);
    pthread_setspecific(keys[20], (void *)21);
    return arg;
}

static void others(void)
{
    for (int i = 0; i < KEYS; i++)
        EXPECT(pthread_key_create(&keys[i], i == 5 || i == 20 ? set_others : note) == 0);
    run_in_thread(set_two, NULL);
    run_in_thread(expect_empty, NULL);
    delete_keys();
}

/* ---- functions of libc's and of the allocator's as destructors ---- */

static pthread_key_t memory_key;

static void *set_memory(void *arg)
{
    EXPECT(pthread_getspecific(memory_key) == NULL);
    pthread_setspecific(memory_key, malloc(1 << 20));
    memset(pthread_getspecific(memory_key), 1, 1 << 20);
    return arg;
}

static long resident_mb(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * 4096 >> 20;
}

static void libc_destructor(void)
{
    EXPECT(pthread_key_create(&memory_key, free) == 0);
    for (int i = 0; i < 300; i++)
        run_in_thread(set_memory, NULL);
    EXPECT(resident_mb() < 100);
    EXPECT(pthread_key_delete(memory_key) == 0);
    say("free as a destructor");
}

/* ---- keys that come and go ---- */

static void count_destroyed(void *value)
{
    (void)value;
    destroyed++;
}

static void *set_and_delete(void *arg)
{
    pthread_key_t key;
    EXPECT(pthread_key_create(&key, count_destroyed) == 0);
    EXPECT(pthread_getspecific(key) == NULL);
    pthread_setspecific(key, &key);
    EXPECT(pthread_key_delete(key) == 0);
    return arg;
}

static void *leave_value(void *arg)
{
    pthread_setspecific(*(pthread_key_t *)arg, arg);
    return NULL;
}

static void *look_at(void *arg)
{
    return pthread_getspecific(*(pthread_key_t *)arg);
}

static void deleted(void)
{
    destroyed = 0;
    for (int i = 0; i < 100; i++)
        run_in_thread(set_and_delete, NULL);
    say("destroyed values of deleted keys: %d", destroyed);
    for (int i = 0; i < 100; i++) {
        pthread_key_t key;
        EXPECT(pthread_key_create(&key, i % 2 ? count_destroyed : NULL) == 0);
        run_in_thread(leave_value, &key);
        EXPECT(run_in_thread(look_at, &key) == NULL);
        EXPECT(pthread_key_delete(key) == 0);
        EXPECT(pthread_key_create(&key, NULL) == 0);
        EXPECT(run_in_thread(look_at, &key) == NULL);
        EXPECT(pthread_key_delete(key) == 0);
    }
    say("destroyed values: %d", destroyed);
}

/* ---- what a destructor may do ---- */

static pthread_key_t busy_key;
static atomic_int from_destructor;

static void *count_one(void *arg)
{
    from_destructor++;
    return arg;
}

static void make_thread(void *value)
{
    (void)value;
    EXPECT(run_in_thread(count_one, (void *)5) == (void *)5);
    pthread_t thread = start(count_one, NULL);
    EXPECT(pthread_detach(thread) == 0);
}

static pthread_t busy_id;

static void look_around(void *value)
{
    (void)value;
    pthread_attr_t attr;
    int state, type;
    EXPECT(pthread_equal(busy_id, pthread_self()));
    EXPECT(pthread_getattr_np(pthread_self(), &attr) == 0);
    pthread_attr_destroy(&attr);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    say("in a destructor: cancel state %d, type %d, errno %d, join itself %s", state, type, errno,
        name_of(pthread_join(pthread_self(), NULL)));
}

static void exit_again(void *value)
{
    (void)value;
    say("a destructor exits");
    pthread_exit((void *)44);
}

static void *set_busy(void *arg)
{
    busy_id = pthread_self();
    pthread_setspecific(busy_key, &busy_key);
    errno = 33;
    return arg;
}

static void destructors_do(void)
{
    EXPECT(pthread_key_create(&busy_key, make_thread) == 0);
    from_destructor = 0;
    for (int i = 0; i < 50; i++)
        run_in_thread(set_busy, NULL);
    wait_for(&from_destructor, 100);
    EXPECT(pthread_key_delete(busy_key) == 0);
    EXPECT(pthread_key_create(&busy_key, look_around) == 0);
    EXPECT(run_in_thread(set_busy, (void *)3) == (void *)3);
    EXPECT(run_in_thread(set_busy, (void *)4) == (void *)4);
    EXPECT(pthread_key_delete(busy_key) == 0);
    EXPECT(pthread_key_create(&busy_key, exit_again) == 0);
    say("and gives %ld", (long)run_in_thread(set_busy, (void *)4));
    EXPECT(pthread_key_delete(busy_key) == 0);
}

/* The join returns after the destructors. */
static atomic_int slow_done;

static void slow(void *value)
{
    (void)value;
    pause_ms(20);
    slow_done++;
}

static void before_join(void)
{
    EXPECT(pthread_key_create(&busy_key, slow) == 0);
    for (int i = 0; i < 5; i++) {
        slow_done = 0;
        run_in_thread(set_busy, NULL);
        EXPECT(slow_done == 1);
        slow_done = 0;
        pthread_t thread = start(set_busy, NULL);
        while (pthread_tryjoin_np(thread, NULL) == EBUSY)
            pause_ms(1);
        EXPECT(slow_done == 1);
    }
    EXPECT(pthread_key_delete(busy_key) == 0);
    say("destructors come before join");
}

/* ---- C11 ---- */

static tss_t tss;

static int set_tss(void *arg)
{
    note_task();
    EXPECT(tss_get(tss) == NULL);
    return tss_set(tss, arg);
}

static void c11(void)
{
    thrd_t thread;
    int result;
    destroyed = 0;
    EXPECT(tss_create(&tss, count_destroyed) == thrd_success);
    for (int i = 0; i < 100; i++) {
        thrd_create(&thread, set_tss, &destroyed);
        thrd_join(thread, &result);
        EXPECT(result == thrd_success);
    }
    say("tss values destroyed: %d", destroyed);
    tss_delete(tss);
    EXPECT(tss_create(&tss, NULL) == thrd_success);
    for (int i = 0; i < 100; i++) {
        thrd_create(&thread, set_tss, &destroyed);
        thrd_join(thread, &result);
    }
    tss_delete(tss);
}

/* ---- once ---- */

static atomic_int once_runs, inside;
static pthread_once_t once;

static void once_body(void)
{
    inside = 1;
    pause_ms(10);
    once_runs++;
}

static void *call_once_body(void *arg)
{
    pthread_once(&once, once_body);
    EXPECT(once_runs == 1);
    return arg;
}

static void cancelled_body(void)
{
    inside = 1;
    for (;;)
        pause();
}

static void *call_cancelled_body(void *arg)
{
    pthread_once(&once, cancelled_body);
    return arg;
}

static void once_(void)
{
    pthread_t threads[10];
    once = PTHREAD_ONCE_INIT;
    once_runs = 0;
    for (int i = 0; i < 10; i++)
        threads[i] = start(call_once_body, NULL);
    for (int i = 0; i < 10; i++)
        join(threads[i]);
    say("once: %d", once_runs);
    once = PTHREAD_ONCE_INIT;
    inside = once_runs = 0;
    threads[0] = start(call_cancelled_body, NULL);
    wait_for(&inside, 1);
    pthread_cancel(threads[0]);
    EXPECT(join(threads[0]) == PTHREAD_CANCELED);
    run_in_thread(call_once_body, NULL);
    say("once after a cancelled one: %d", once_runs);
}

/* ---- fork handlers ---- */

static void *echo(void *arg)
{
    return arg;
}

/* Said later: parent and child run at the same time. */
static int handlers_run, order_of_handlers[4];

static void prepare_threads(void)
{
    EXPECT(run_in_thread(echo, (void *)1) == (void *)1);
    say("prepare");
}

static void parent_threads(void)
{
    EXPECT(run_in_thread(echo, (void *)2) == (void *)2);
    order_of_handlers[0] = ++handlers_run;
}

static void child_threads(void)
{
    EXPECT(run_in_thread(echo, (void *)3) == (void *)3);
    order_of_handlers[1] = ++handlers_run;
}

static void prepare_late(void)
{
    EXPECT(run_in_thread(echo, (void *)1) == (void *)1);
    say("prepare, registered late");
}

static void parent_late(void)
{
    EXPECT(run_in_thread(echo, (void *)2) == (void *)2);
    order_of_handlers[2] = ++handlers_run;
}

static void child_late(void)
{
    EXPECT(run_in_thread(echo, (void *)3) == (void *)3);
    order_of_handlers[3] = ++handlers_run;
}

static void say_handlers(const char *where)
{
    say("in the %s: %d %d %d %d", where, order_of_handlers[0], order_of_handlers[1], order_of_handlers[2],
        order_of_handlers[3]);
}

static void *fork_here(void *arg)
{
    handlers_run = 0;
    memset(order_of_handlers, 0, sizeof order_of_handlers);
    pid_t child = fork();
    if (child == 0) {
        EXPECT(run_in_thread(echo, (void *)4) == (void *)4);
        say_handlers("child");
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    say_handlers("parent");
    say("child ended with %d", WEXITSTATUS(status));
    return arg;
}

static void fork_handlers(void)
{
    static int registered;
    if (!registered++)
        pthread_atfork(prepare_threads, parent_threads, child_threads); /* before the first thread */
    fork_here(NULL);
    run_in_thread(echo, NULL);
    if (registered == 1 + 1)
        pthread_atfork(prepare_late, parent_late, child_late);
    registered++;
    fork_here(NULL);
    run_in_thread(fork_here, NULL);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"order", order, 3},
        {"again", again, 3},
        {"others", others, 3},
        {"libc_destructor", libc_destructor, 2},
        {"deleted", deleted, 3},
        {"destructors_do", destructors_do, 3},
        {"before_join", before_join, 3},
        {"c11", c11, 3},
        {"once", once_, 3},
        {"fork_handlers", fork_handlers, 3},
        {0},
    };
    return run_cases(argc, argv, cases);
}
