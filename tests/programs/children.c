/* Places in a program from which children are made: what comes of them is the output, line by line. */
#include "children_make.h"

static void in_main(void)
{
    may_end_thread = true;
    warm();
    make_all();
}

static void in_main_alone(void)
{
    may_end_thread = true;
    make_all();
}

static void *make_in_thread(void *arg)
{
    make_all();
    return arg;
}

static void in_worker(void)
{
    may_end_thread = true;
    warm();
    run_in_thread(make_in_thread, NULL);
}

static void on_signal(int number)
{
    (void)number;
    make_all();
}

static void raise_in_place(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void in_handler(void)
{
    warm();
    raise_in_place();
}

static void *raise_in_thread(void *arg)
{
    raise_in_place();
    return arg;
}

static void in_workers_handler(void)
{
    warm();
    run_in_thread(raise_in_thread, NULL);
}

static void on_key(void *value)
{
    (void)value;
    make_all();
}

static void *set_key(void *arg)
{
    pthread_key_t key;
    EXPECT(pthread_key_create(&key, on_key) == 0);
    EXPECT(pthread_setspecific(key, &key) == 0);
    return arg;
}

static void in_key_destructor(void)
{
    warm();
    run_in_thread(set_key, NULL);
}

/* What a C++ compiler emits for a thread_local object with a destructor. */
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle;

static void *set_object(void *arg)
{
    EXPECT(__cxa_thread_atexit_impl(on_key, &is_child, &__dso_handle) == 0);
    return arg;
}

static void in_objects_destructor(void)
{
    warm();
    run_in_thread(set_object, NULL);
}

static void in_exit_handler(void)
{
    warm();
    atexit(make_all);
}

static void in_quick_exit_handler(void)
{
    warm();
    EXPECT(at_quick_exit(make_all) == 0);
    quick_exit(0);
}

static void in_library_destructor(void)
{
    warm();
    at_library_end = make_all;
}

static atomic_int stop;

static void *churn(void *arg)
{
    while (!stop)
        run_in_thread(quick, NULL);
    return arg;
}

static void *wait_for_stop(void *arg)
{
    while (!stop)
        pause_ms(1);
    return arg;
}

static void in_crowd(void)
{
    enum { CROWD = 64, CHURNING = 8 };
    pthread_t crowd[CROWD];
    may_end_thread = is_crowded = true;
    for (int i = 0; i < CROWD; i++)
        crowd[i] = start(i < CHURNING ? churn : wait_for_stop, NULL);
    make_all();
    if (is_child)
        return;
    run_in_thread(make_in_thread, NULL);
    if (is_child)
        return;
    stop = true;
    for (int i = 0; i < CROWD; i++)
        join(crowd[i]);
}

/* ---- inside the handlers of a fork ---- */

static bool is_armed[3];

static void make_in_fork(int which)
{
    if (!is_armed[which])
        return;
    is_armed[which] = false;
    is_inside_fork = true;
    make_all();
    is_inside_fork = false;
}

static void on_prepare(void)
{
    make_in_fork(0);
}

static void on_parent(void)
{
    make_in_fork(1);
}

static void on_child(void)
{
    make_in_fork(2);
}

static void fork_armed(int which)
{
    is_armed[which] = true;
    pid_t child = fork();
    if (child == 0) {
        warm();
        exit(31);
    }
    say_wait(is_child ? "    the fork in the child" : "the fork itself", child);
}

/* Their handlers are before ours, or behind. */
static void in_fork(int which, bool early)
{
    if (!early)
        warm();
    EXPECT(pthread_atfork(on_prepare, on_parent, on_child) == 0);
    if (early)
        warm();
    fork_armed(which);
}

static void in_prepare(void)
{
    in_fork(0, false);
}

static void in_parent(void)
{
    in_fork(1, false);
}

static void in_child(void)
{
    in_fork(2, false);
}

static void in_prepare_early(void)
{
    in_fork(0, true);
}

static void in_parent_early(void)
{
    in_fork(1, true);
}

static void in_child_early(void)
{
    in_fork(2, true);
}

int main(int argc, char **argv)
{
    static const struct one cases[] = {
        {"main_alone", in_main_alone, 1},
        {"main", in_main, 1},
        {"worker", in_worker, 1},
        {"handler", in_handler, 1},
        {"workers_handler", in_workers_handler, 1},
        {"key_destructor", in_key_destructor, 1},
        {"objects_destructor", in_objects_destructor, 1},
        {"exit_handler", in_exit_handler, 1},
        {"quick_exit_handler", in_quick_exit_handler, 1},
        {"library_destructor", in_library_destructor, 1},
        {"crowd", in_crowd, 1},
        {"prepare", in_prepare, 1},
        {"parent", in_parent, 1},
        {"child", in_child, 1},
        {"prepare_early", in_prepare_early, 1},
        {"parent_early", in_parent_early, 1},
        {"child_early", in_child_early, 1},
        {0},
    };
    return run_cases(argc, argv, cases);
}
