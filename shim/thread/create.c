/* Thread creation in managed mode: a parked worker where one fits, else a new thread that becomes a worker. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "shim/atomic.h"
#include "shim/domain/place.h"
#include "shim/domain/recognise.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/switchboard/lookup.h"
#include "shim/thread/attributes.h"
#include "shim/thread/change.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"
#include "shim/thread/worker.h"
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

struct task {
    void *(*run)(void *);
    void *arg;
    bool is_c11;
    enum runtime creator; /* whose code wants it */
};

static enum runtime runtime_at(const void *caller)
{
    struct object object;
    return runtime_of(caller, &object);
}

/* OpenMP runtimes make the threads of their pools where they start a team. */
static bool is_pooled(const struct task *task)
{
    return task->creator == RUNTIME_LIBGOMP || task->creator == RUNTIME_LIBOMP;
}

/* ---- who else has a part in threads ---- */

/* Go code changes threads by system calls of its own (unshare, setns ...) and then lets them end. Where it is, any
 * creator may be such a thread, and any thread may be one that has called it. Its runtime makes threads at once. */
static bool has_go;

/* Another preload gives each thread what it needs at its beginning, and takes it back at its end. An allocator's data
 * are not made fresh, so one may. */
static bool is_wrapped;

static const struct link_map *map_of(const void *address)
{
    struct object object;
    return object_find(address, &object) ? object.map : NULL;
}

static bool find_wrapper(void)
{
    const struct link_map *next = map_of(lookup_behind("pthread_create", NULL));
    return next != map_of(lookup_in_libc("gnu_get_libc_version")) && next != map_of(lookup_first("malloc"));
}

/* Not at start-up: most programs make no thread. */
static void look_around(void)
{
    static bool has_looked;
    if (__builtin_expect(load_acquire(&has_looked), 1))
        return;
    /* Whoever looks sees the same. */
    if (object_program_has_note("Go"))
        store_relaxed(&has_go, true);
    store_relaxed(&is_wrapped, find_wrapper());
    store_release(&has_looked, true); /* with what was seen */
}

/* ---- tasks ---- */

static void give_task(struct worker *worker, const struct task *task, bool detached)
{
    worker->run = task->run;
    worker->arg = task->arg;
    worker->is_c11 = task->is_c11;
    store_relaxed(&worker->is_pooled, is_pooled(task)); /* in time for the thread itself; others may miss it once */
    worker->joining = worker->joiner = 0;
    libc.sem_init(&worker->done, 0, 0);
    /* Relaxed: the hand-over publishes it, worker_call() or libc's pthread_create. */
    uint32_t next = (worker->word & ~(uint32_t)(ONE_TASK - 1)) + ONE_TASK;
    store_relaxed(&worker->word, next | TASK | (detached ? DETACHED : 0));
}

/* What a thread of libc's making inherits from its creator by itself, and a parked one has to be told. */
static void note_inheritance(struct inheritance *inherited, const struct attributes *wanted)
{
    if (wanted->has_mask)
        inherited->mask = wanted->mask;
    else
        pthread_sigmask(SIG_SETMASK, NULL, &inherited->mask);
    fpu_read(&inherited->fpu);
    inherited->has_name = names_are_used();
    if (inherited->has_name)
        ((int (*)(int, ...))real.prctl)(PR_GET_NAME, inherited->name);
}

static bool recycle(pthread_t *thread, const struct attributes *wanted, const struct task *task)
{
    /* The worker whose task was just joined is about to park, and will spin: worth more than one that sleeps. */
    spin_for_parking();
    struct worker *worker = pool_claim(wanted->stack, lineage_own());
    if (!worker)
        return false;
    give_task(worker, task, wanted->detached);
    note_inheritance(&worker->inherited, wanted);
    *thread = worker->id;
    spin_called(worker);
    worker_call(worker, CALL_RUN);
    return true;
}

/* libc refused for want of threads or memory. Workers without a task may be what is in the way; and under load the
 * kernel refuses for a moment what it grants in the next. */
enum { TRIES = 10, TRY_AGAIN_NS = 1000000 };

static int create_real(pthread_t *id, const pthread_attr_t *attr, struct worker *worker)
{
    /* census->is_exhausted: all tries were in vain the last time. A program that creates threads until it fails must
     * not crawl. Relaxed: a thread that misses a change waits once more, or once less. */
    int error = real.pthread_create(id, attr, worker_main, worker);
    for (int tries = 1; error == EAGAIN && tries < TRIES; tries++) {
        static const uint32_t never;
        if (!pool_make_room() && load_relaxed(&census->is_exhausted))
            return error;
        os_wait(&never, 0, TRY_AGAIN_NS);
        error = real.pthread_create(id, attr, worker_main, worker);
    }
    store_relaxed(&census->is_exhausted, error == EAGAIN);
    return error;
}

/* A new thread, which will be recycled unless it is `plain`. */
static int create(pthread_t *thread, const pthread_attr_t *attr, const struct attributes *wanted, bool plain,
                  const struct task *task, struct worker *worker)
{
    pthread_attr_t joinable;
    pthread_t id;
    give_task(worker, task, wanted->detached);
    worker->stack = wanted->stack;
    worker->lineage = wanted->facts.own_affinity || wanted->facts.own_scheduling ? lineage_new() : lineage_own();
    worker->birth_id = thread;
    fresh_conceive(&worker->traces);
    /* A worker's thread outlives its task, so libc must not free it when the task ends. The copy shares what the
     * original points to, and is not destroyed. */
    if (attr && !plain) {
        joinable = *attr;
        libc.pthread_attr_setdetachstate(&joinable, PTHREAD_CREATE_JOINABLE);
        attr = &joinable;
    }
    if (plain)
        worker->word |= RETIRED;
    int error = create_real(&id, attr, worker);
    if (error) {
        record_free(worker);
        return error;
    }
    worker_store_id(worker, id);
    record_born(worker);
    if (!pool_is_forgotten())
        place_join(); /* from its second thread on, a process is one that others see */
    return 0;
}

static int create_thread(enum symbol symbol, pthread_t *thread, const pthread_attr_t *attr, const struct task *task,
                         const void *caller)
{
    struct attributes wanted;
    look_around();
    attributes_read(attr, &wanted);
    wanted.facts.unknown_creator = lineage_own() == LINEAGE_UNKNOWN || pool_is_forgotten();
    if (task->creator == RUNTIME_GO)
        store_relaxed(&has_go, true); /* who has not seen it has created before */
    wanted.facts.go = load_relaxed(&has_go);
    wanted.facts.wrapped = load_relaxed(&is_wrapped);
    struct verdict verdict = decide_thread(&wanted.facts);
    bool managed = verdict.outcome == OUTCOME_MANAGED && !pool_is_draining();
    fresh_prepare();
    if (managed && recycle(thread, &wanted, task)) {
        report_decision(symbol, " managed: given to a parked thread");
        return 0;
    }
    struct worker *worker = record_new();
    if (!worker) {
        wanted.facts.no_memory = true;
        verdict = decide_thread(&wanted.facts);
    }
    if (verdict.outcome == OUTCOME_DOWNGRADE)
        report_downgrade(symbol, verdict.reason, caller);
    if (!worker)
        return -1;
    if (managed)
        report_decision(symbol, " managed: a new thread, to be reused");
    return create(thread, attr, &wanted, !managed, task, worker);
}

int managed_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    if (!may_manage(REQUEST_THREAD, SYMBOL_pthread_create, CALLER))
        return real.pthread_create(thread, attr, run, arg);
    const struct task task = {run, arg, false, runtime_at(CALLER)};
    int error = create_thread(SYMBOL_pthread_create, thread, attr, &task, CALLER);
    return error >= 0 ? error : real.pthread_create(thread, attr, run, arg);
}

/* As libc translates them (thrd_create(3), glibc's thrd_err_map). */
static int thrd_error_of(int error)
{
    return error == 0 ? thrd_success : error == ENOMEM ? thrd_nomem : thrd_error;
}

int managed_thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
    if (!may_manage(REQUEST_THREAD, SYMBOL_thrd_create, CALLER))
        return real.thrd_create(thread, run, arg);
    const struct task task = {(void *(*)(void *))(void (*)(void))run, arg, true, runtime_at(CALLER)};
    int error = create_thread(SYMBOL_thrd_create, thread, NULL, &task, CALLER);
    return error >= 0 ? thrd_error_of(error) : real.thrd_create(thread, run, arg);
}
