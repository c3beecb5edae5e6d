#include "shim/thread/lineage.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"
#include "shim/thread/worker.h"

static uint32_t last = LINEAGE_MAIN;
HOT static pthread_t main_thread;

void lineage_start(void)
{
    main_thread = pthread_self();
    slot.lineage = LINEAGE_MAIN;
}

bool lineage_is_main(pthread_t thread)
{
    return thread == main_thread;
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
    change(&slot, slot.worker);
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
    pid_t process = getpid();
    if (tid == 0 || tid == ((long (*)(long, ...))real.syscall)(SYS_gettid)) {
        lineage_changed_self();
        return;
    }
    if (tid == process) {
        change(slot_of(main_thread), NULL);
        return;
    }
    /* If it ends just now, the record may be another's: that one is a new thread for nothing. */
    struct worker *worker = pool_find(tid);
    if (worker)
        change_worker(worker);
    else if (real.tgkill(process, tid, 0) == 0)
        pool_forget(); /* one of our threads, we do not know which */
}
