#include "shim/team/park.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/libc.h"
#include "shim/lock.h"
#include "shim/os.h"
#include "shim/startup.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

/* Nothing in a fork child, which has none of the threads. */
static union {
    struct {
        lock_word lock;
        uint32_t asleep; /* 1: the pool threads are to sleep; their futex */
    };
    char page[OS_PAGE];
} parking __attribute__((aligned(OS_PAGE)));

/* The signal's action: taken by us; left to the program, for good. */
HOT static bool is_ours, is_left;

/* Here, or in a process that this one was forked from: threads may have been put to sleep. */
HOT static bool is_started;

/* Far from both ends, from which programs count. */
static int park_signal(void)
{
    return SIGRTMAX - 7;
}

/* In the pool thread; nothing but our own thread-local data and system calls. */
static void sleep_here(int signal)
{
    enum { LONGEST_S = 10, SECOND_NS = 1000000000 };
    (void)signal;
    if (!slot.worker || !slot.worker->is_pooled)
        return; /* the number has become another thread's */
    /* Acquire: what comes after the sleep has been allowed before the word was cleared. */
    for (int i = 0; i < LONGEST_S && load_acquire(&parking.asleep); i++)
        os_wait(&parking.asleep, 1, SECOND_NS);
}

/* Takes the signal unless the program has; and finds out whether it has since. Under the lock. */
static bool has_signal(void)
{
    struct sigaction now, ours = {.sa_handler = sleep_here, .sa_flags = SA_RESTART};
    if (is_left || libc.sigaction(park_signal(), NULL, &now) != 0)
        return false;
    if (now.sa_handler == sleep_here)
        return true;
    is_left = is_ours || now.sa_handler != SIG_DFL;
    sigfillset(&ours.sa_mask); /* the program's handlers run when the thread does */
    is_ours = !is_left && libc.sigaction(park_signal(), &ours, NULL) == 0;
    return is_ours;
}

static void signal_thread(int tid, void *unused)
{
    (void)unused;
    os_call(SYS_tgkill, os_pid(), tid, park_signal());
}

void park_begin(void)
{
    int saved = errno;
    if (!settings.park)
        return;
    lock(&parking.lock);
    /* Sequentially consistent, with the counting of regions: who enters one now sees it, or is seen. */
    if (has_signal() && !__atomic_exchange_n(&parking.asleep, 1, __ATOMIC_SEQ_CST))
        pool_each_pooled(signal_thread, NULL);
    unlock(&parking.lock);
    errno = saved;
}

void park_end(void)
{
    if (!__atomic_load_n(&parking.asleep, __ATOMIC_SEQ_CST)) /* as above */
        return;
    store_release(&parking.asleep, 0);
    os_wake(&parking.asleep, INT_MAX);
}

bool park_start(void)
{
    static bool is_wiped; /* relaxed: stands for nothing else */
    store_relaxed(&is_started, true);
    if (!load_relaxed(&is_wiped))
        store_relaxed(&is_wiped, os_wipe_in_children(&parking, sizeof parking) == 0);
    return load_relaxed(&is_wiped);
}

/* A runtime that ends its threads when the process ends must find them awake. */
__attribute__((destructor)) static void at_exit(void)
{
    store_relaxed(&is_left, true); /* read under the lock that the next one takes */
    if (load_relaxed(&is_started))
        park_end();
}
