#include "shim/thread/pool.h"
#include "shim/libc.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/place.h"
#include "shim/hot.h"
#include "shim/lock.h"
#include "shim/os.h"
#include "shim/report/line.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/lineage.h"
#include "shim/thread/spin.h"

/* ---- state: empty in a fork child, however it was forked ---- */

struct slab {
    struct slab *next;
    struct worker records[];
};
enum { SLAB = 16 * 1024, SLAB_RECORDS = (SLAB - sizeof(struct slab)) / sizeof(struct worker) };

/* Who was told to end longer ago than this many others is gone. */
enum { MOST_LEFT = 128 };

static union {
    struct {
        struct census census;
        lock_word lock;
        bool draining;
        pid_t owner; /* whose pool this is; 0 until the first thread */
        int running;
        unsigned idle_count;
        size_t idle_stack;   /* bytes of address space */
        struct worker *idle; /* the last parked first: its stack and caches are warm, and the oldest age out */
        struct worker *free;
        struct slab *slabs;
        struct thread_counts counts;
        unsigned left;          /* how many were told to end */
        int leaving[MOST_LEFT]; /* the last of them, by the kernel's numbers; 0: it is gone */
    };
    char page[OS_PAGE];
} pool __attribute__((aligned(OS_PAGE)));

struct census *const census = &pool.census;

HOT static bool forgotten; /* stays so in fork children: they have inherited what cannot be told */
HOT static unsigned most_idle;
HOT static int64_t idle_ns;

HOT static bool closing; /* the process ends: what still runs may be without some of its libraries */
HOT static bool stacks_are_limited;
HOT static bool is_tidy;

/* A record was asked for, here or in a process that this one was forked from. Where not, the pool is empty, and its
 * page is not touched. */
HOT static bool was_used;

static void await_leaving(void);

__attribute__((destructor)) static void at_exit(void)
{
    /* From here on no idle worker ends: what it would need may be torn down. Those that are about to have done it. */
    store_relaxed(&closing, true);
    if (!load_relaxed(&was_used))
        return;
    if (!pool_is_forgotten()) /* a process that restricts its system calls has none to spare for that */
        await_leaving();
    if (is_tidy)
        pool_join_idle();
    /* Without the lock: exit() may be called by a handler that has interrupted its holder. */
    if (pool.counts.made)
        report_threads(&pool.counts);
}

bool pool_start(unsigned new_most_idle, unsigned idle_ms, bool tidy)
{
    is_tidy = tidy;
    pool_limit_stacks();
    most_idle = new_most_idle;
    idle_ns = (int64_t)idle_ms * 1000000;
    return os_wipe_in_children(&pool, sizeof pool) == 0;
}

int64_t pool_idle_ns(void)
{
    return idle_ns;
}

bool pool_is_parents(void)
{
    pid_t owner = load_relaxed(&pool.owner); /* written before the process can make another */
    return owner && !pool_is_forgotten() && owner != os_pid();
}

void pool_forget(void)
{
    if (pool_is_forgotten() || pool_is_parents())
        return;
    spin_settle();
    store_relaxed(&forgotten, true); /* whoever has not seen it yet has started before */
    pool_join_idle();
}

bool pool_is_forgotten(void)
{
    return load_relaxed(&forgotten);
}

/* Under the lock; atomic for those who look without it. */
static void add_running(int more)
{
    store_relaxed(&pool.running, pool.running + more);
    place_show_threads((unsigned)pool.running, pool.idle_count);
}

int pool_running(void)
{
    return load_relaxed(&pool.running); /* a guess: nothing follows from it but whether to spin */
}

bool pool_is_draining(void)
{
    return __atomic_load_n(&pool.draining, __ATOMIC_SEQ_CST); /* see pool_drain() */
}

/* ---- records ---- */

static void add_slab(void)
{
    struct slab *slab = os_map_wiped(SLAB);
    if (!slab)
        return;
    slab->next = pool.slabs;
    store_release(&pool.slabs, slab); /* with `next`: others go through the list without the lock */
    for (int i = 0; i < SLAB_RECORDS; i++) {
        slab->records[i].next = pool.free;
        pool.free = &slab->records[i];
    }
}

/* The count of tasks stays. Under the lock, where nobody else writes the word of a record without a task. */
static void clear_word(struct worker *worker)
{
    store_relaxed(&worker->word, worker->word & ~(uint32_t)(ONE_TASK - 1));
}

struct worker *record_new(void)
{
    if (!load_relaxed(&was_used))
        store_relaxed(&was_used, true); /* by the creator, before its thread can be missed */
    lock(&pool.lock);
    if (!pool.free)
        add_slab(); /* rare, and the pool's growth is a good moment to be alone */
    struct worker *worker = pool.free;
    if (worker) {
        pool.free = worker->next;
        pool.counts.made++;
        if (!pool.owner && !pool_is_forgotten()) {
            lineage_found();
            store_relaxed(&pool.owner, os_pid());
        }
        add_running(1);
    }
    unlock(&pool.lock);
    if (worker)
        memset((char *)worker + sizeof worker->word, 0, sizeof *worker - sizeof worker->word);
    return worker;
}

/* A thread that ends at once may be here before its creator has come back from pthread_create: then that one frees it.
 */
static bool creator_needs(struct worker *worker)
{
    /* Acquire and release: who comes second frees what both have written. */
    return load_relaxed(&worker->birth) &&
           !(__atomic_fetch_or(&worker->birth, BIRTH_OVER, __ATOMIC_ACQ_REL) & BIRTH_SEEN);
}

void record_born(struct worker *worker)
{
    if (__atomic_fetch_or(&worker->birth, BIRTH_SEEN, __ATOMIC_ACQ_REL) & BIRTH_OVER)
        record_free(worker);
}

void record_free(struct worker *worker)
{
    if (creator_needs(worker))
        return;
    lock(&pool.lock);
    if (load_relaxed(&worker->word) & RETIRED)
        pool.counts.retired++;
    clear_word(worker);
    store_relaxed(&worker->tid, 0);
    worker->next = pool.free;
    pool.free = worker;
    add_running(-1);
    unlock(&pool.lock);
}

/* Without the lock: signal handlers come here, and may have interrupted its holder. Slabs only come, records stay. */
struct worker *pool_find(int tid)
{
    for (struct slab *slab = load_acquire(&pool.slabs); slab; slab = slab->next)
        for (int i = 0; i < SLAB_RECORDS; i++)
            if (load_relaxed(&slab->records[i].tid) == tid)
                return &slab->records[i];
    return NULL;
}

void pool_each_pooled(void (*visit)(int tid, void *arg), void *arg)
{
    for (struct slab *slab = load_acquire(&pool.slabs); slab; slab = slab->next)
        for (int i = 0; i < SLAB_RECORDS; i++) {
            const struct worker *worker = &slab->records[i];
            int tid = load_relaxed(&worker->tid);
            if (tid && load_relaxed(&worker->is_pooled) && load_relaxed(&worker->word) & TASK)
                visit(tid, arg);
        }
}

/* ---- the idle list; all under the lock ---- */

static void push_idle(struct worker *worker)
{
    store_relaxed(&worker->is_idle, true);
    worker->previous = NULL;
    worker->next = pool.idle;
    if (pool.idle)
        pool.idle->previous = worker;
    store_relaxed(&pool.idle, worker);
    pool.idle_count++;
    pool.idle_stack += worker->stack.size;
    add_running(-1);
}

static void unlink_idle(struct worker *worker)
{
    store_relaxed(&worker->is_idle, false);
    if (worker->previous)
        worker->previous->next = worker->next;
    else
        store_relaxed(&pool.idle, worker->next);
    if (worker->next)
        worker->next->previous = worker->previous;
    pool.idle_count--;
    pool.idle_stack -= worker->stack.size;
    add_running(1);
}

static void note_leaving(const struct worker *worker)
{
    pool.leaving[pool.left++ % MOST_LEFT] = worker->tid;
}

static bool fits(const struct worker *worker, struct stack_class stack, uint32_t lineage)
{
    return load_relaxed(&worker->lineage) == lineage && worker->stack.size == stack.size &&
           worker->stack.guard == stack.guard;
}

struct worker *pool_claim(struct stack_class stack, uint32_t lineage)
{
    if (!load_relaxed(&pool.idle)) /* looked at again under the lock, if it is worth it */
        return NULL;
    lock(&pool.lock);
    struct worker *worker = pool.idle;
    while (worker && !fits(worker, stack, lineage))
        worker = worker->next;
    if (worker) {
        unlink_idle(worker);
        pool.counts.recycled++;
    }
    unlock(&pool.lock);
    return worker;
}

/* What is idle takes address space. As much as libc keeps of stacks itself (nptl/nptl-stack.c). */
enum { MOST_IDLE_STACK = 40 * 1024 * 1024 };

static bool has_place(const struct worker *worker)
{
    return pool.idle_count < most_idle &&
           (!load_relaxed(&stacks_are_limited) || pool.idle_stack + worker->stack.size <= MOST_IDLE_STACK);
}

void pool_put(struct worker *worker)
{
    lock(&pool.lock);
    clear_word(worker);
    bool keep = !worker->dying && !pool.draining && !load_relaxed(&forgotten) && has_place(worker);
    if (keep)
        push_idle(worker);
    else
        note_leaving(worker);
    if (worker->dying)
        pool.counts.retired++;
    unlock(&pool.lock);
    if (!keep)
        worker_call(worker, CALL_DIE);
}

bool pool_leave(struct worker *worker)
{
    if (load_relaxed(&closing))
        return false;
    lock(&pool.lock);
    bool was_idle = worker->is_idle;
    if (was_idle) {
        unlink_idle(worker);
        note_leaving(worker);
    }
    unlock(&pool.lock);
    return was_idle;
}

/* ---- letting idle workers end ---- */

static bool has_limit(enum __rlimit_resource resource)
{
    struct rlimit limit;
    return libc.getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

void pool_limit_stacks(void)
{
    if (pool_is_forgotten() || pool_is_parents())
        return;
    bool is_limited = has_limit(RLIMIT_AS) || has_limit(RLIMIT_DATA);
    store_relaxed(&stacks_are_limited, is_limited); /* who parks meanwhile has done so before */
    if (is_limited)
        pool_join_idle();
}

static struct worker *take_one_idle(void)
{
    lock(&pool.lock);
    struct worker *worker = pool.idle;
    if (worker) {
        unlink_idle(worker);
        note_leaving(worker);
    }
    unlock(&pool.lock);
    return worker;
}

void pool_dismiss_idle(void)
{
    struct worker *worker;
    while ((worker = take_one_idle()))
        worker_call(worker, CALL_DIE);
}

void pool_join_idle(void)
{
    struct worker *worker;
    int cancellation;
    if (!load_relaxed(&was_used))
        return;
    spin_settle();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation); /* our callers are no cancellation points */
    while ((worker = take_one_idle())) {
        worker_call(worker, CALL_LEAVE);
        real.pthread_join(worker->id, NULL);
        record_free(worker);
    }
    pthread_setcancelstate(cancellation, &cancellation);
}

/* An ended task that nobody has joined yet: its thread must be a real zombie, not a live thread that waits. */
static bool make_unjoined_real(struct worker *worker)
{
    uint32_t word = load_acquire(&worker->word);
    while (word & ENDED && !(word & (RELEASED | DETACHED)))
        if (cas_seq_cst(&worker->word, &word, (word & ~(uint32_t)ENDED) | RETIRED)) {
            pool_note_leaving(worker);
            return true;
        }
    return false;
}

bool pool_leave_unjoined(struct worker *worker)
{
    return !load_relaxed(&closing) && make_unjoined_real(worker);
}

static bool let_ended_leave(struct worker *worker)
{
    bool leaves = make_unjoined_real(worker);
    if (leaves)
        worker_call(worker, CALL_LEAVE);
    return leaves;
}

static bool let_all_ended_leave(void)
{
    bool any = false;
    for (struct slab *slab = load_acquire(&pool.slabs); slab; slab = slab->next)
        for (int i = 0; i < SLAB_RECORDS; i++)
            any |= let_ended_leave(&slab->records[i]);
    return any;
}

void pool_note_leaving(const struct worker *worker)
{
    lock(&pool.lock);
    note_leaving(worker);
    unlock(&pool.lock);
}

/* Until those who were told to end are gone for the kernel; at most 100 ms in all. */
static void await_leaving(void)
{
    enum { TRIES = 1000, PAUSE_NS = 100000 };
    static const uint32_t never;
    if (!load_relaxed(&pool.left))
        return; /* not even a system call is made where there were no threads */
    pid_t process = os_pid();
    int saved = errno;
    for (int i = 0, tries = 0; i < MOST_LEFT; i++) {
        int tid = load_relaxed(&pool.leaving[i]); /* one that is noted meanwhile may be missed */
        for (; tid && tries < TRIES && real.tgkill(process, tid, 0) == 0; tries++)
            os_wait(&never, 0, PAUSE_NS);
    }
    errno = saved;
}

void pool_empty(void)
{
    if (pool_is_parents())
        return;
    pool_join_idle();
    let_all_ended_leave();
    await_leaving();
}

/* Whether the pool's lock can be had at all: perhaps it is held by what we have interrupted. */
static bool can_lock(void)
{
    enum { PATIENCE_NS = 10 * 1000 * 1000 };
    if (!load_relaxed(&was_used))
        return false;
    if (!lock_within(&pool.lock, PATIENCE_NS))
        return false;
    unlock(&pool.lock);
    return true;
}

void pool_prefork(void)
{
    if (!pool_is_forgotten() && can_lock() && let_all_ended_leave())
        await_leaving();
}

bool pool_make_room(void)
{
    if (!can_lock())
        return false;
    bool any = load_relaxed(&pool.idle); /* one that parks or is claimed meanwhile decides for another try at most */
    pool_dismiss_idle();
    return let_all_ended_leave() || any;
}

/* Sequentially consistent, with the same in worker.c: either the worker that ends a task sees `draining`, or the walk
 * below sees its ENDED. Waits, because the last thread to end runs the program's atexit handlers: it must not be a
 * parked one. */
void pool_drain(void)
{
    __atomic_store_n(&pool.draining, true, __ATOMIC_SEQ_CST);
    pool_empty();
}
