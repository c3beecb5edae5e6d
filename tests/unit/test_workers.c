/* The worker protocol under a sanitizer, which a preload cannot have: the shim's own code, built with it, called
 * directly.
 *
 * Creators, joiners, detachers and tasks race each other; every result arrives exactly once, and what the tasks wrote
 * is seen by their joiners (for TSan) and by nobody else (each task starts with fresh thread-local data). */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "policy/decide.h"
#include "shim/startup.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/verdict.h"
#include "tests/unit/test_workers.h"
#include "tests/unit/unit.h"

/* In any thread; cmocka's own assertions are for the first one. */
#define REQUIRE(condition)                                                                                             \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    while (0)

enum { CREATORS = 4, ROUNDS = 300, BATCH = 8 };

static atomic_int running, ended;

/* libc's functions as this program sees them: through the sanitizer, which must know of every thread. */
static int set_up(void **state)
{
    (void)state;
    startup();
    /* Otherwise each row is written by the thread that calls it first, while others read it: every value is right,
     * which a sanitizer cannot know. */
    switchboard_settle();
    real.pthread_create = pthread_create;
    real.pthread_join = pthread_join;
    real.pthread_detach = pthread_detach;
    real.pthread_tryjoin_np = pthread_tryjoin_np;
    real.pthread_key_create = pthread_key_create;
    config_read(NULL, &settings, NULL, 0);
    verdict_start(false);
    /* The sanitizer has keys of its own, which a preload would see being made: they are its allocator's. */
    for (pthread_key_t key = 0; key < 8; key++)
        fresh_key_created(key, (void (*)(void *))(void (*)(void))malloc);
    return 0;
}

struct work {
    long in, out;
};

static void *work(void *arg)
{
    struct work *w = arg;
    atomic_fetch_add(&running, 1);
    REQUIRE(*program_scratch() == 7);
    *program_scratch() = w->in;
    w->out = w->in * 2;
    if (w->in % 5 == 0)
        sched_yield();
    atomic_fetch_add(&ended, 1);
    return w;
}

static void *work_alone(void *arg)
{
    work(arg);
    free(arg);
    return NULL;
}

static void join_in_some_way(pthread_t thread, struct work *w, long seed)
{
    void *result = NULL;
    if (seed % 3 == 0)
        while (managed_pthread_tryjoin_np(thread, &result) == EBUSY)
            sched_yield();
    else
        REQUIRE(managed_pthread_join(thread, &result) == 0);
    REQUIRE(result == w && w->out == w->in * 2);
}

static void *create_many(void *arg)
{
    long seed = (long)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct work joined[BATCH];
        pthread_t threads[BATCH];
        for (int i = 0; i < BATCH; i++) {
            joined[i] = (struct work){seed++, 0};
            REQUIRE(managed_pthread_create(&threads[i], NULL, work, &joined[i]) == 0);
        }
        struct work *alone = malloc(sizeof *alone);
        pthread_t thread;
        *alone = (struct work){seed++, 0};
        REQUIRE(managed_pthread_create(&thread, NULL, work_alone, alone) == 0);
        REQUIRE(managed_pthread_detach(thread) == 0);
        for (int i = 0; i < BATCH; i++)
            join_in_some_way(threads[i], &joined[i], seed++);
    }
    return NULL;
}

static void every_task_runs_once_and_its_result_arrives(void **state)
{
    (void)state;
    pthread_t creators[CREATORS];
    for (long i = 0; i < CREATORS; i++)
        assert_int_equal(managed_pthread_create(&creators[i], NULL, create_many, (void *)(i * 1000000)), 0);
    for (int i = 0; i < CREATORS; i++)
        assert_int_equal(managed_pthread_join(creators[i], NULL), 0);
    while (atomic_load(&ended) < CREATORS * ROUNDS * (BATCH + 1))
        sched_yield();
    assert_int_equal(atomic_load(&running), CREATORS * ROUNDS * (BATCH + 1));
}

static void *say_tid(void *arg)
{
    *(int *)arg = gettid();
    return arg;
}

static void one_worker_serves_many(void **state)
{
    (void)state;
    int tids[100], again = 0;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        assert_int_equal(managed_pthread_create(&thread, NULL, say_tid, &tids[i]), 0);
        assert_int_equal(managed_pthread_join(thread, NULL), 0);
        /* Any of them: one may be kept from its CPU for longer than all the rest takes. */
        for (int j = 0; j < i; j++)
            again += tids[j] == tids[i];
    }
    assert_true(again > 0);
}

static void *retire(void *arg)
{
    lineage_changed_self();
    return arg;
}

static void retired_workers_are_joined_by_libc(void **state)
{
    (void)state;
    for (long i = 0; i < 200; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(managed_pthread_create(&thread, NULL, retire, (void *)i), 0);
        assert_int_equal(managed_pthread_join(thread, &result), 0);
        assert_int_equal((long)result, i);
    }
}

static void the_pool_can_be_emptied(void **state)
{
    (void)state;
    pool_join_idle();
    assert_int_equal(pool_running(), 0);
}

__attribute__((visibility("default"))) int run_worker_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once_and_its_result_arrives),
        cmocka_unit_test(one_worker_serves_many),
        cmocka_unit_test(retired_workers_are_joined_by_libc),
        cmocka_unit_test(the_pool_can_be_emptied),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
