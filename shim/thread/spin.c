#include "shim/thread/spin.h"
#include "shim/libc.h"

#include <sched.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"

/* How long: a worker no longer than the futex wake-up that it saves its creator; a joiner long enough to see the end of
 * a task whose worker had to be woken on another CPU first. Were both the same, they would learn from each other's
 * wake-ups that spinning never pays. */
enum { WORKER_SPIN_NS = 5000, JOINER_SPIN_NS = 25000 };

/* The clock costs as much as a pause on some processors, so it is read now and then. */
enum { PAUSES = 16 };

/* Everything here is a hint: relaxed, and a lost update costs a few microseconds. */
static int cpus = 1;

/* census->parking: workers that are being made fresh, and will be parked within a microsecond. */

/* 0 to 8: how often joiners would have met the end of a task within the spin. They spin from 4 on. */
static int join_score = 4;

void spin_count_cpus(void)
{
    cpu_set_t set;
    /* More than 1024 CPUs: the call fails, and that is more than one. */
    store_relaxed(&cpus, real.sched_getaffinity_2_3_4(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 2);
}

static void score(bool paid)
{
    int now = load_relaxed(&join_score) + (paid ? 1 : -2);
    store_relaxed(&join_score, now < 0 ? 0 : now > 8 ? 8 : now);
}

/* `others` threads want to run beside the one that would spin. */
static bool has_cpu(int others)
{
    return others < load_relaxed(&cpus);
}

/* Where a thread last was seen to run is looked at before one spins for it: on one's own CPU it cannot run meanwhile.
 * All relaxed: guesses, of which nothing follows but whether to spin. */
static int parking_cpu; /* of the worker that last ended a task */

void spin_called(struct worker *worker)
{
    store_relaxed(&worker->caller_cpu, libc.sched_getcpu());
    worker->called_at = os_now();
    int64_t gap = worker->called_at - worker->ended_at;
    worker->traces.cpu_slack += gap < WORKER_SPIN_NS ? gap : WORKER_SPIN_NS;
    store_relaxed(&worker->spins, gap < WORKER_SPIN_NS); /* a hint, which the parked worker may be reading */
}

void spin_task_ends(struct worker *worker)
{
    worker->ended_at = os_now();
    store_relaxed(&worker->cpu, libc.sched_getcpu());
    store_relaxed(&parking_cpu, worker->cpu);
    worker->traces.cpu_slack += worker->ended_at - worker->called_at;
}

enum call spin_for_call(struct worker *worker)
{
    /* The creator is one of those who want to run; this worker is counted as running until its joiner is done. */
    int others = pool_running() + 1 - !load_relaxed(&worker->is_idle);
    bool is_here = load_relaxed(&worker->caller_cpu) == libc.sched_getcpu();
    if (!load_relaxed(&worker->spins) || is_here || !has_cpu(others + load_relaxed(&census->spinners)))
        return CALL_WAIT;
    uint32_t call = CALL_WAIT;
    add_relaxed(&census->spinners, 1);
    const int64_t end = os_now() + WORKER_SPIN_NS;
    for (int i = 1; call == CALL_WAIT && (i % PAUSES || os_now() < end); i++) {
        os_pause();
        /* Acquire: pairs with worker_call(); the task's fields are ours to read. */
        call = load_acquire(&worker->call);
    }
    add_relaxed(&census->spinners, -1);
    return call;
}

uint32_t spin_for_end(struct worker *worker)
{
    /* Acquire: pairs with the end of finish(); the result is there. */
    uint32_t word = load_acquire(&worker->word);
    if (word & (ENDED | RETIRED) || load_relaxed(&join_score) < 4)
        return word;
    int here = libc.sched_getcpu();
    store_relaxed(&worker->caller_cpu, here);
    if (load_relaxed(&worker->cpu) == here)
        return word;
    /* A joiner that is itself a task is among the running ones. Workers that spin are not counted: they stop within a
     * few microseconds, and a joiner that sleeps because of them would take as long to wake. */
    if (!has_cpu(pool_running() - load_relaxed(&census->parking) - (slot.worker != NULL)))
        return word;
    add_relaxed(&census->spinners, 1);
    const int64_t end = os_now() + JOINER_SPIN_NS;
    for (int i = 1; !(word & (ENDED | RETIRED)) && (i % PAUSES || os_now() < end); i++) {
        os_pause();
        word = load_acquire(&worker->word);
    }
    add_relaxed(&census->spinners, -1);
    if (word & ENDED)
        score(true);
    return word;
}

void spin_slept(const struct worker *worker, int64_t since)
{
    score(worker->ended_at - since < JOINER_SPIN_NS);
}

void spin_parks_soon(void)
{
    add_relaxed(&census->parking, 1);
}

void spin_parked(void)
{
    add_relaxed(&census->parking, -1);
}

void spin_settle(void)
{
    for (int i = 0; i < 100 && load_relaxed(&census->parking) > 0; i++) {
        static const uint32_t never;
        os_wait(&never, 0, 100000);
    }
}

void spin_for_parking(void)
{
    enum { MOMENT = 120 }; /* pauses: three to five microseconds, less than a wake-up */
    if (load_relaxed(&cpus) < 2 || load_relaxed(&parking_cpu) == libc.sched_getcpu())
        return;
    for (int i = 0; i < MOMENT && load_relaxed(&census->parking) > 0; i++)
        os_pause();
}
