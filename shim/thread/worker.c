#include "shim/thread/worker.h"
#include "shim/libc.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/team/turn.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"

__thread struct slot slot __attribute__((tls_model("initial-exec")));

/* From pthread_self() to `slot`, the same in every thread: both lie at fixed distances from the thread pointer (static
 * TLS, and glibc's struct pthread). */
HOT static ptrdiff_t slot_distance;

/* Its destructor runs when a worker's thread really ends, by whatever way: return, pthread_exit or cancellation. */
HOT static pthread_key_t leave_key = PTHREAD_KEYS_MAX; /* none yet */

struct slot *slot_of(pthread_t thread)
{
    return (struct slot *)((char *)thread + slot_distance);
}

struct worker *worker_of(pthread_t thread)
{
    /* What libc keeps of a thread that was joined still names the record, which may be another thread's by now; records
     * are never unmapped. Relaxed: whoever has learnt the id has learnt what its record said. */
    struct worker *worker = slot_of(thread)->worker;
    return worker && load_relaxed(&worker->id) == thread ? worker : NULL;
}

/* ---- the end of the thread ---- */

#ifdef __SANITIZE_THREAD__
enum { FAREWELLS = 1 }; /* TSan's own destructor ends its thread in the last round: we must be done before (a test) */
#else
enum { FAREWELLS = PTHREAD_DESTRUCTOR_ITERATIONS };
#endif

/* glibc runs key destructors in rounds for as long as there are values. Other keys' destructors may still use the
 * worker's id, so the record is let go in the last round. */
static __attribute__((noinline)) void leave(void *value)
{
    struct worker *worker = value;
    turn_abandon();
    if (!(load_relaxed(&worker->word) & TASK))
        return; /* idle and dismissed, or wiped in a fork child */
    /* Where pthread_exit or pthread_cancel were found by a handle of libc's own, this is the first that we hear of it.
     */
    if (!(load_relaxed(&worker->word) & RETIRED))
        worker_retire(worker, "it ends by itself");
    if (++worker->farewells < FAREWELLS) {
        libc.pthread_setspecific(leave_key, worker);
        return;
    }
    /* Acquire and release: who sets the second of GONE and DETACHED frees what the other has written. */
    if (__atomic_fetch_or(&worker->word, GONE, __ATOMIC_ACQ_REL) & DETACHED) {
        slot.worker = NULL;
        record_free(worker);
    }
}

bool worker_retire_keeping(struct worker *worker, const char *why, pthread_t *detach)
{
    uint32_t word = load_acquire(&worker->word);
    pthread_t id;
    *detach = 0;
    do {
        if (!(word & TASK) || word & ENDED)
            return false;
        if (word & RETIRED)
            return true;
        id = load_relaxed(
            &worker->id); /* now: a detached one may end as soon as it is retired, and its record be reused */
    } while (!cas_seq_cst(&worker->word, &word, word | RETIRED));
    if (word & WAITING)
        libc.sem_post(&worker->done); /* the joiner goes on to libc's pthread_join */
    if (word & DETACHED)
        *detach = id;
    report_note("a thread will not be reused: ", why);
    return true;
}

bool worker_retire(struct worker *worker, const char *why)
{
    pthread_t detach;
    bool retired = worker_retire_keeping(worker, why, &detach);
    if (detach)
        real.pthread_detach(detach);
    return retired;
}

void worker_retire_self(const char *why)
{
    if (slot.worker)
        worker_retire(slot.worker, why);
}

bool worker_has_ended(pthread_t thread)
{
    struct worker *worker = worker_of(thread);
    return worker && load_acquire(&worker->word) & ENDED;
}

bool worker_tid_has_ended(int tid)
{
    const struct worker *worker = tid ? pool_find(tid) : NULL; /* 0: the calling thread, and records without one */
    if (!worker)
        return false;
    uint32_t word = load_acquire(&worker->word);
    return !(word & TASK) || word & ENDED;
}

/* ---- the beginning ---- */

/* The creator and the new thread both come here. The id is stored where the program wants it before the program's code
 * runs in the new thread, and not after: by then the program may have reused that memory. */
void worker_store_id(struct worker *worker, pthread_t id)
{
    /* Acquire and release: who comes second sees what the first has stored. */
    if (!(__atomic_fetch_or(&worker->birth, BIRTH_TAKEN, __ATOMIC_ACQ_REL) & BIRTH_TAKEN)) {
        store_relaxed(&worker->id, id);
        slot_of(id)->worker = worker;
        slot_of(id)->lineage = worker->lineage;
        *worker->birth_id = id;
        if (__atomic_fetch_or(&worker->birth, BIRTH_STORED, __ATOMIC_ACQ_REL) & BIRTH_WAITING)
            os_wake(&worker->birth, 1);
        return;
    }
    /* Asleep, because the other may have a lower priority: it would never get to store. */
    uint32_t birth = load_acquire(&worker->birth);
    while (!(birth & BIRTH_STORED)) {
        birth = __atomic_or_fetch(&worker->birth, BIRTH_WAITING, __ATOMIC_ACQ_REL);
        if (!(birth & BIRTH_STORED))
            os_wait(&worker->birth, birth, -1);
        birth = load_acquire(&worker->birth);
    }
}

static void be_born(struct worker *worker)
{
    worker_store_id(worker, pthread_self());
    store_relaxed(&worker->cpu, libc.sched_getcpu()); /* for spin.c */
    libc.pthread_setspecific(leave_key, worker);
    if (pool_is_forgotten())
        return; /* it will not be reused, and the program may have forbidden the calls below */
    store_relaxed(&worker->tid, os_tid());
    fresh_birth(&worker->traces);
}

/* What a new thread has from its creator and a used one must be given. */
static void inherit(struct worker *worker)
{
    const struct inheritance *from = &worker->inherited;
    fpu_write(&from->fpu);
    if (from->has_name && (!worker->has_name || strncmp(worker->name, from->name, sizeof from->name) != 0)) {
        ((int (*)(int, ...))real.prctl)(PR_SET_NAME, from->name);
        memcpy(worker->name, from->name, sizeof worker->name);
        worker->has_name = true;
    }
    errno = 0;
    int ignored;
    libc.pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &ignored);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
    pthread_sigmask(SIG_SETMASK, &from->mask, NULL);
}

/* ---- one task ---- */

static void *run(struct worker *worker)
{
    if (worker->is_c11)
        return (void *)(intptr_t)((thrd_start_t)(void (*)(void))worker->run)(worker->arg);
    return worker->run(worker->arg);
}

/* It was retired, or is the first thread of a fork child. */
static bool must_end(const struct worker *worker)
{
    uint32_t word = load_relaxed(&worker->word);
    return !(word & TASK) || word & RETIRED;
}

/* What is left of the program's code runs as it would have: libc calls destructors, or exit handlers. */
static bool end_for_real(const sigset_t *mask)
{
    int ignored;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    return false;
}

/* Ends the task with `result`; false: the thread must end for real, and libc does the rest. */
static bool finish(struct worker *worker, void *result)
{
    sigset_t mask;
    if (must_end(worker) || pool_is_draining())
        return false;
    fresh_destroy(&worker->traces);
    turn_abandon();
    if (must_end(worker))
        return false; /* a destructor has forked, for instance */
    spin_task_ends(worker);
    /* From here no handler runs in this thread and no cancellation is acted on: for the program it has ended. */
    int ignored;
    sigset_t all;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    if (fresh_is_tainted(&worker->traces, &mask) &&
        worker_retire(worker, "its task left signals, locks or values behind"))
        return end_for_real(&mask);
    worker->result = result;
    spin_parks_soon(); /* before anybody can know that the task has ended: see spin_settle() */
    uint32_t word = load_relaxed(&worker->word);
    do {
        if (!(word & TASK) || word & RETIRED) {
            spin_parked();
            return end_for_real(&mask);
        }
        /* Release: the joiner reads `result`. Sequentially consistent: see pool_drain(). */
    } while (!cas_seq_cst(&worker->word, &word, word | ENDED));
    if (word & WAITING)
        libc.sem_post(&worker->done);
    return true;
}

/* Nobody needs the id: parks the worker. Otherwise its joiner will. False: the pool was drained meanwhile, and the
 * thread must end for real. */
static bool park(struct worker *worker)
{
    uint32_t word = load_acquire(&worker->word);
    if (pool_is_draining())
        while (word & ENDED && !(word & (RELEASED | DETACHED)))
            if (cas_seq_cst(&worker->word, &word, (word & ~(uint32_t)ENDED) | RETIRED)) {
                pool_note_leaving(worker);
                return false;
            }
    if (word & RETIRED)
        return false; /* the one who drains has done it */
    /* Acquire and release: who sets the second of READY and RELEASED owns the worker, with all that the other wrote. */
    if (word & DETACHED || __atomic_fetch_or(&worker->word, READY, __ATOMIC_ACQ_REL) & RELEASED)
        pool_put(worker);
    return true;
}

/* The task is over and its joiner perhaps on its way: makes the thread fresh, and parks it. */
static bool refresh(struct worker *worker)
{
    worker->dying = !fresh_reset(&worker->traces);
    if (worker->dying)
        report_note("a thread will not be reused: ",
                    "libraries came or went, their lock may be stuck, or it stands on a stack of its own");
    bool parked = park(worker);
    spin_parked();
    return parked;
}

/* ---- parked ---- */

void worker_call(struct worker *worker, enum call call)
{
    /* Release: the worker reads what the caller has put into its record. */
    if (__atomic_exchange_n(&worker->call, call, __ATOMIC_ACQ_REL) == CALL_SLEEP)
        os_wake(&worker->call, 1);
}

/* The stack below here was perhaps deep once. glibc lays a thread out downwards from struct pthread, which is more than
 * two and less than eight kilobytes large on every machine that we know: so this stays inside the stack. Below our own
 * frame there will only be those of the call that gives the pages back: signals are blocked, and libc's own come when
 * the call is over. */
static void give_stack_back(const struct worker *worker)
{
    uintptr_t top = (uintptr_t)worker->id + 8192, here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t low = (top - worker->stack.size + worker->stack.guard + OS_PAGE - 1) & ~(uintptr_t)(OS_PAGE - 1);
    uintptr_t high = (here - 1024) & ~(uintptr_t)(OS_PAGE - 1);
    if (low < high)
        os_discard(low, high);
}

static enum call sleep_for_call(struct worker *worker, int64_t timeout_ns)
{
    uint32_t call = CALL_WAIT;
    /* Nothing is published by going to sleep. Acquire: the caller's writes, if there is a call already. */
    if (__atomic_compare_exchange_n(&worker->call, &call, CALL_SLEEP, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
        call = CALL_SLEEP;
    while (call == CALL_SLEEP) {
        bool over = !os_wait(&worker->call, CALL_SLEEP, timeout_ns);
        call = load_acquire(&worker->call);
        if (over)
            break;
    }
    return call;
}

/* Waits for the next task. An idle worker gives its stack back after a while, and ends when its patience is over; so
 * does one whose last task was not joined by then: it will be joined as libc's, which is all that a pthread_join that
 * was found by a handle of libc's own waits for. */
static enum call wait_for_call(struct worker *worker)
{
    enum { LOOK_AGAIN_NS = 100000000 };
    enum call call = spin_for_call(worker);
    const int64_t early = pool_idle_ns() / 100, late = pool_idle_ns() - early;
    int64_t timeout = early;
    bool stack_is_back = false;
    while (call == CALL_WAIT || call == CALL_SLEEP) {
        call = sleep_for_call(worker, timeout);
        if (call != CALL_SLEEP)
            break;
        if (!stack_is_back) {
            give_stack_back(worker);
            stack_is_back = true;
            timeout = late;
        } else if (pool_leave(worker)) {
            return CALL_DIE;
        } else if (pool_leave_unjoined(worker)) {
            return CALL_LEAVE;
        } else if (timeout < LOOK_AGAIN_NS) {
            timeout = LOOK_AGAIN_NS;
        }
    }
    /* Relaxed: whoever writes it next has first been handed the worker by us. */
    store_relaxed(&worker->call, CALL_WAIT);
    return call;
}

void *worker_main(void *arg)
{
    struct worker *worker = arg;
    be_born(worker);
    worker->called_at = os_now();
    for (;;) {
        void *result = run(worker);
        if (!finish(worker, result)) {
            if (!(load_relaxed(&worker->word) & TASK))
                pool_drain(); /* the only thread of a fork child: the process ends with it and those that it made */
            return result;
        }
        if (!refresh(worker))
            return worker->result;
        switch (wait_for_call(worker)) {
        case CALL_RUN:
            store_relaxed(&worker->cpu, libc.sched_getcpu()); /* for spin.c */
            inherit(worker);
            break;
        case CALL_DIE:
            slot.worker = NULL;
            real.pthread_detach(worker->id);
            libc.pthread_setspecific(leave_key, NULL);
            record_free(worker);
            return NULL;
        default:
            return worker->result;
        }
    }
}

void worker_place(void)
{
    slot_distance = (char *)&slot - (char *)pthread_self();
    lineage_start();
}

bool worker_take_key(void)
{
    pthread_key_t key, none = PTHREAD_KEYS_MAX;
    if (load_relaxed(&leave_key) != none) /* the number is all there is to it */
        return true;
    if (real.pthread_key_create(&key, leave) != 0)
        return false;
    if (!cas_acquire(&leave_key, none, key)) /* another thread was here */
        real.pthread_key_delete(key);
    fresh_own_key(leave_key);
    return true;
}

bool worker_start(void)
{
    spin_count_cpus();
    return worker_take_key();
}
