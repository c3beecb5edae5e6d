/* Joining and detaching in managed mode. */
#include <errno.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/pool.h"
#include "shim/thread/spin.h"
#include "shim/thread/worker.h"

/* ---- a task that is libc's: the thread really ends ---- */

/* A joined thread is gone, and its record with it. */
static int after_real_join(int error, struct worker *worker)
{
    if (error == 0)
        record_free(worker);
    return error;
}

/* ---- a task that is ours ---- */

/* Two threads that join each other: libc sees that as well. Relaxed: where both do it at the same time, libc may miss
 * it too. */
static bool is_deadlock(pthread_t thread, const struct worker *target)
{
    pthread_t self = pthread_self();
    return thread == self || (target && load_relaxed(&target->joining) == self) ||
           (slot.worker && load_relaxed(&slot.worker->joiner) == thread);
}

static void note_joining(pthread_t thread)
{
    if (slot.worker)
        store_relaxed(&slot.worker->joining, thread);
}

/* Takes the right to join, or says why not, in libc's order. EAGAIN: the id is libc's. */
static int begin_join(struct worker *worker)
{
    uint32_t word = load_acquire(&worker->word);
    do {
        if (!(word & TASK) || word & RELEASED)
            return ESRCH;
        if (word & DETACHED)
            return word & RETIRED ? EAGAIN : EINVAL;
        if (is_deadlock(worker->id, worker))
            return EDEADLK;
        if (word & RETIRED)
            return EAGAIN;
        if (word & JOINING)
            return EINVAL; /* as pthread_join(3) says; in glibc 2.36 itself one of the two waits for ever */
    } while (!cas_seq_cst(&worker->word, &word, word | JOINING));
    store_relaxed(&worker->joiner, pthread_self());
    note_joining(worker->id);
    return 0;
}

static void give_up_join(void *arg)
{
    struct worker *worker = arg;
    store_relaxed(&worker->joiner, 0);
    note_joining(0);
    __atomic_fetch_and(&worker->word, ~(uint32_t)(JOINING | WAITING), __ATOMIC_ACQ_REL);
}

/* Takes the result, and the id away. EAGAIN: the id has become libc's. */
static int end_join(struct worker *worker, void **result)
{
    void *value;
    uint32_t word = load_acquire(&worker->word);
    do {
        if (!(word & ENDED))
            return EAGAIN;
        value = worker->result; /* before the id is given away */
        /* Who sets the second of READY and RELEASED parks the worker, with all that the other wrote. */
    } while (!cas_seq_cst(&worker->word, &word, word | RELEASED));
    if (word & READY)
        pool_put(worker);
    if (result)
        *result = value;
    return 0;
}

/* Sleeps until the task has ended or is libc's. A cancellation point, as pthread_join is; a signal handler does not end
 * it. `deadline` NULL: without limit. */
static int sleep_for_end(struct worker *worker, clockid_t clock, const struct timespec *deadline)
{
    int error = 0;
    int64_t since = os_now();
    /* Acquire and release: the worker posts if it sees WAITING; else its ENDED is seen here. */
    uint32_t word = __atomic_or_fetch(&worker->word, WAITING, __ATOMIC_ACQ_REL);
    pthread_cleanup_push(give_up_join, worker);
    while (!(word & (ENDED | RETIRED)) && error != ETIMEDOUT && error != EINVAL) {
        int failed = deadline ? libc.sem_clockwait(&worker->done, clock, deadline) : libc.sem_wait(&worker->done);
        error = failed ? errno : 0;
        word = load_acquire(&worker->word);
    }
    pthread_cleanup_pop(0);
    if (!(word & (ENDED | RETIRED)))
        return error;
    if (word & ENDED)
        spin_slept(worker, since);
    return 0;
}

/* The whole of a join that may wait; EAGAIN: libc's function is to be called for it. */
static int join(struct worker *worker, void **result, clockid_t clock, const struct timespec *deadline)
{
    int saved = errno;
    int error = begin_join(worker);
    if (error)
        return error;
    if (!(spin_for_end(worker) & (ENDED | RETIRED)))
        error = sleep_for_end(worker, clock, deadline);
    if (!error)
        error = end_join(worker, result);
    if (error)
        give_up_join(worker);
    note_joining(0);
    errno = saved;
    return error;
}

/* libc's function for a thread that is libc's, which may be joining us. */
static int join_libcs(pthread_t thread, void **result)
{
    if (is_deadlock(thread, NULL))
        return EDEADLK;
    note_joining(thread);
    int error = real.pthread_join(thread, result);
    note_joining(0);
    return error;
}

int managed_pthread_join(pthread_t thread, void **result)
{
    struct worker *worker = worker_of(thread);
    if (!worker)
        return join_libcs(thread, result);
    int error = join(worker, result, CLOCK_REALTIME, NULL);
    return error == EAGAIN ? after_real_join(join_libcs(thread, result), worker) : error;
}

int managed_pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *deadline)
{
    struct worker *worker = worker_of(thread);
    int error = worker ? join(worker, result, CLOCK_REALTIME, deadline) : EAGAIN;
    if (error != EAGAIN)
        return error;
    error = real.pthread_timedjoin_np(thread, result, deadline);
    return worker ? after_real_join(error, worker) : error;
}

int managed_pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *deadline)
{
    struct worker *worker = worker_of(thread);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    int error = worker ? join(worker, result, clock, deadline) : EAGAIN;
    if (error != EAGAIN)
        return error;
    error = real.pthread_clockjoin_np(thread, result, clock, deadline);
    return worker ? after_real_join(error, worker) : error;
}

int managed_pthread_tryjoin_np(pthread_t thread, void **result)
{
    struct worker *worker = worker_of(thread);
    if (!worker)
        return real.pthread_tryjoin_np(thread, result);
    uint32_t word = load_acquire(&worker->word);
    if (!(word & (ENDED | RETIRED)) || word & RELEASED)
        return EBUSY; /* whatever else may be wrong, as in libc: also of a thread that was joined */
    int error = begin_join(worker);
    if (!error) {
        error = end_join(worker, result);
        if (error)
            give_up_join(worker);
        note_joining(0);
    }
    return error == EAGAIN ? after_real_join(real.pthread_tryjoin_np(thread, result), worker) : error;
}

int managed_pthread_detach(pthread_t thread)
{
    struct worker *worker = worker_of(thread);
    if (!worker)
        return real.pthread_detach(thread);
    uint32_t word = load_acquire(&worker->word), next;
    do {
        if (!(word & TASK) || word & RELEASED)
            return ESRCH;
        if (word & DETACHED)
            return EINVAL;
        if (word & JOINING && !(word & RETIRED))
            return 0; /* libc calls that no error, and leaves it to the joiner */
        next = word & ENDED ? word | RELEASED : word | DETACHED;
    } while (!cas_seq_cst(&worker->word, &word, next));
    if (word & RETIRED) {
        int error = real.pthread_detach(thread);
        if (word & GONE)
            record_free(worker);
        return error;
    }
    if (word & ENDED && word & READY)
        pool_put(worker);
    return 0;
}

/* ---- C11 ---- */

int managed_thrd_join(thrd_t thread, int *result)
{
    void *value = NULL;
    int error = managed_pthread_join(thread, &value);
    if (result)
        *result = (int)(intptr_t)value;
    return error == 0 ? thrd_success : thrd_error;
}

int managed_thrd_detach(thrd_t thread)
{
    return managed_pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}
