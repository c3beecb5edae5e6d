/* Threads that end by other ways than returning, in managed mode. They end for real. */
#include <stdbool.h>

#include "shim/switchboard/switchboard.h"
#include "shim/thread/leave.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

/* The calling thread is about to end. If the process goes on without its main thread (which in a fork child is the one
 * that forked), it ends with the last of the others; parked workers must not keep it. */
void leave_thread(void)
{
    bool has_task = slot.worker && slot.worker->word & TASK;
    if (pool_is_parents())
        return; /* a vfork child ends, and nothing of its parent's */
    if (has_task)
        worker_retire(slot.worker, "it ends by itself");
    else if (slot.worker || lineage_is_main(pthread_self()))
        pool_drain();
}

void before_pthread_exit(struct call_registers *registers)
{
    (void)registers;
    leave_thread();
}

void before_thrd_exit(struct call_registers *registers)
{
    (void)registers;
    leave_thread();
}
