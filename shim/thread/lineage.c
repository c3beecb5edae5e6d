#include "shim/thread/lineage.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"
#include "shim/thread/worker.h"

static uint32_t last = LINEAGE_MAIN;
static pthread_t main_thread;

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

static void change(struct slot *changed)
{
    /* Relaxed: of a thread that is changed while it creates threads, nobody can say which of them inherit what. */
    store_relaxed(&changed->lineage, lineage_new());
    if (changed->worker)
        worker_retire(changed->worker);
}

void lineage_changed_self(void)
{
    change(&slot);
    spin_count_cpus();
}

void lineage_changed(pthread_t thread)
{
    change(slot_of(thread));
}

void lineage_changed_tid(pid_t tid)
{
    pid_t process = getpid();
    if (tid == 0 || tid == ((long (*)(long, ...))real.syscall)(SYS_gettid)) {
        lineage_changed_self();
        return;
    }
    if (tid == process) {
        change(slot_of(main_thread));
        return;
    }
    struct worker *worker = pool_find(tid);
    if (worker)
        change(slot_of(worker->id));
    else if (real.tgkill(process, tid, 0) == 0)
        pool_forget(); /* one of our threads, we do not know which */
}
