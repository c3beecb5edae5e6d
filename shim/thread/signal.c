/* Signals and cancellation for one thread, in managed mode. A task that has ended must not pass them on to the next one
 * of its worker; and a worker that was sent one ends for real, because nothing can take it back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/signal.h"
#include "shim/thread/worker.h"

/* Of pidfd_open(2), since Linux 6.9. */
enum { PIDFD_THREAD = O_EXCL };

static const char signalled[] = "it was sent a signal";

/* Whether a signal may go to `thread`. The calling thread's own signal is delivered, or pending and then found, before
 * its task ends. Signal 0 and those that libc will refuse leave no trace. */
static bool reaches(pthread_t thread, int signal)
{
    struct worker *worker = worker_of(thread);
    if (!worker || thread == pthread_self())
        return true;
    if (signal <= 0 || signal >= NSIG)
        return !(load_acquire(&worker->word) & ENDED);
    uint32_t word = load_acquire(&worker->word);
    return word & RETIRED || worker_retire(worker, signalled);
}

/* libc refuses its own two signals whatever the thread does (pthread_kill(3) names no others). */
static bool is_libcs(int signal)
{
    return signal == __SIGRTMIN || signal == __SIGRTMIN + 1;
}

int managed_pthread_kill_2_34(pthread_t thread, int signal)
{
    if (is_libcs(signal) || reaches(thread, signal))
        return real.pthread_kill_2_34(thread, signal);
    return 0;
}

int managed_pthread_kill_2_2_5(pthread_t thread, int signal)
{
    if (is_libcs(signal) || reaches(thread, signal))
        return real.pthread_kill_2_2_5(thread, signal);
    return ESRCH;
}

int managed_pthread_sigqueue(pthread_t thread, int signal, const union sigval value)
{
    if (is_libcs(signal) || reaches(thread, signal))
        return real.pthread_sigqueue(thread, signal, value);
    return ESRCH;
}

bool signal_may_tie(pid_t tid, const char *why)
{
    struct worker *worker = pool_find(tid);
    return !worker || load_acquire(&worker->word) & RETIRED || worker_retire(worker, why);
}

bool signal_may_reach(pid_t tid, int signal)
{
    struct worker *worker = pool_find(tid);
    if (!worker || worker->id == pthread_self())
        return true;
    uint32_t word = load_acquire(&worker->word);
    if (!(word & TASK) || word & ENDED)
        return false;
    return !signal || word & RETIRED || worker_retire(worker, signalled);
}

bool pidfd_may_open(pid_t tid, unsigned flags)
{
    return !(flags & PIDFD_THREAD) || signal_may_tie(tid, "a descriptor stands for it");
}

/* The row is newer than the oldest libc that we work with, so this does not need the one behind us. */
int managed_pidfd_open(pid_t pid, unsigned int flags)
{
    if (!pidfd_may_open(pid, flags)) {
        errno = ESRCH;
        return -1;
    }
    return (int)((long (*)(long, ...))real.syscall)(SYS_pidfd_open, pid, flags);
}

int managed_tgkill(pid_t process, pid_t tid, int signal)
{
    if (!pool_is_forgotten() && process == getpid() && !signal_may_reach(tid, signal)) {
        errno = ESRCH;
        return -1;
    }
    return real.tgkill(process, tid, signal);
}

int managed_pthread_cancel(pthread_t thread)
{
    struct worker *worker = worker_of(thread);
    pthread_t detach = 0;
    if (lineage_is_main(thread))
        pool_drain(); /* the process will end with its last thread */
    if (worker && !(load_acquire(&worker->word) & RETIRED) &&
        !worker_retire_keeping(worker, "it is being cancelled", &detach))
        return 0; /* ended: as with libc, nothing happens */
    int error = real.pthread_cancel(thread);
    if (detach)
        real.pthread_detach(detach);
    return error;
}
