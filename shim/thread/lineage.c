#include "shim/thread/lineage.h"

#include <errno.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"
#include "shim/thread/worker.h"

static uint32_t last = LINEAGE_MAIN;

/* census->main, 0 at start and in a fork child, is set before there is another thread that could ask for it. It stays 0
 * where we did not see the first thread make the second. */
void lineage_found(void)
{
    if (!load_relaxed(&census->main) && os_tid() == os_pid())
        store_relaxed(&census->main, pthread_self());
}

void lineage_start(void)
{
    slot.lineage = LINEAGE_MAIN;
}

bool lineage_is_main(pthread_t thread)
{
    pthread_t first = load_relaxed(&census->main);
    if (first)
        return thread == first;
    /* Where nothing is managed any more, nothing hangs on it, and the program may have forbidden the calls. */
    return thread == pthread_self() && (pool_is_forgotten() || os_tid() == os_pid());
}

uint32_t lineage_new(void)
{
    return add_relaxed(&last, 1); /* a number nobody has: nothing else is read through it */
}

/* A worker's is in its record, which others can reach without the thread's memory, and which a fork child loses. */
uint32_t lineage_own(void)
{
    const struct worker *worker = slot.worker;
    bool is_known = worker && load_relaxed(&worker->word) & TASK;
    return is_known ? load_relaxed(&worker->lineage) : slot.lineage;
}

/* Relaxed, here and below: of a thread that is changed while it creates threads, nobody can say which of them inherit
 * what. */
static void change_worker(struct worker *worker)
{
    store_relaxed(&worker->lineage, lineage_new());
    worker_retire(worker, "something that threads inherit was changed in it");
}

static void change(struct slot *changed, struct worker *worker)
{
    store_relaxed(&changed->lineage, lineage_new());
    if (worker)
        change_worker(worker);
}

void lineage_changed_self(void)
{
    if (pool_is_parents())
        return; /* a vfork child changes itself, and its parent's thread stays as it is */
    change(&slot, slot.worker);
    if (!pool_is_forgotten())
        spin_count_cpus();
}

void lineage_changed(pthread_t thread)
{
    change(slot_of(thread), worker_of(thread));
}

void lineage_changed_tid(pid_t tid)
{
    if (pool_is_forgotten())
        return; /* nothing is managed any more, and the program may have forbidden the calls below */
    pid_t process = os_pid();
    if (tid == 0 || tid == os_tid()) {
        lineage_changed_self();
        return;
    }
    pthread_t first = load_relaxed(&census->main);
    if (tid == process && first) {
        change(slot_of(first), NULL);
        return;
    }
    /* If it ends just now, the record may be another's: that one is a new thread for nothing. */
    struct worker *worker = pool_find(tid);
    if (worker)
        change_worker(worker);
    else if (real.tgkill(process, tid, 0) == 0)
        pool_forget(); /* one of our threads, we do not know which */
}
