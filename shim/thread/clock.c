/* What can be read of a thread, in managed mode: it must look like a new one's. A task's CPU clock starts near zero. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/clock.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

enum { SECOND = 1000000000 };

/* The kernel's numbers for the clocks of other threads (linux/posix-timers_types.h): ~tid << 3, 4 for "a thread". */
static bool is_threads(clockid_t clock)
{
    return clock < 0 && (clock & 7) == (4 | 2);
}

struct worker *clock_worker(clockid_t clock)
{
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return slot.worker;
    if (!is_threads(clock))
        return NULL;
    int tid = ~(clock >> 3);
    return tid == 0 ? slot.worker : pool_find(tid);
}

bool clock_has_ended(clockid_t clock)
{
    return is_threads(clock) && worker_tid_has_ended(~(clock >> 3));
}

int64_t clock_base(clockid_t clock)
{
    const struct worker *worker = clock_worker(clock);
    return worker ? load_relaxed(&worker->traces.cpu_base) : 0;
}

static void subtract(struct timespec *time, int64_t base)
{
    int64_t left = (int64_t)time->tv_sec * SECOND + time->tv_nsec - base;
    if (left < 0)
        left = 0;
    time->tv_sec = left / SECOND;
    time->tv_nsec = left % SECOND;
}

static __attribute__((noinline)) int read_cpu_clock(clockid_t clock, struct timespec *now)
{
    if (clock_has_ended(clock)) {
        errno = EINVAL;
        return -1;
    }
    int result = real.clock_gettime(clock, now);
    if (result == 0)
        subtract(now, clock_base(clock));
    return result;
}

int managed_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (__builtin_expect(clock != CLOCK_THREAD_CPUTIME_ID && clock >= 0, 1))
        return real.clock_gettime(clock, now);
    return read_cpu_clock(clock, now);
}

/* ---- getrusage(RUSAGE_THREAD) ---- */

static void take_away(struct timeval *time, const struct timeval *base)
{
    struct timeval left;
    timersub(time, base, &left);
    *time = left.tv_sec < 0 ? (struct timeval){0, 0} : left;
}

int managed_getrusage(enum __rusage_who who, struct rusage *usage)
{
    int result = real.getrusage(who, usage);
    if (who != RUSAGE_THREAD || result != 0 || !slot.worker)
        return result;
    const struct rusage *base = fresh_usage_base(&slot.worker->traces, usage);
    take_away(&usage->ru_utime, &base->ru_utime);
    take_away(&usage->ru_stime, &base->ru_stime);
    usage->ru_minflt -= base->ru_minflt;
    usage->ru_majflt -= base->ru_majflt;
    usage->ru_inblock -= base->ru_inblock;
    usage->ru_oublock -= base->ru_oublock;
    usage->ru_nvcsw -= base->ru_nvcsw;
    usage->ru_nivcsw -= base->ru_nivcsw;
    return result;
}

/* ---- pthread_getattr_np ---- */

/* A worker's thread is always joinable for libc; its task may be detached. */
int managed_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    int error = real.pthread_getattr_np(thread, attr);
    struct worker *worker = worker_of(thread);
    if (error == 0 && worker && load_relaxed(&worker->word) & DETACHED)
        libc.pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    return error;
}

/* ---- of a thread that has ended ---- */

int managed_pthread_getschedparam(pthread_t thread, int *policy, struct sched_param *param)
{
    if (worker_has_ended(thread))
        return ESRCH;
    int error = real.pthread_getschedparam(thread, policy, param);
    /* libc keeps the answer in the thread, for itself and for what the thread creates. */
    if (error == 0 && worker_of(thread))
        worker_retire(worker_of(thread), "libc remembers its scheduling");
    return error;
}

int managed_pthread_getcpuclockid(pthread_t thread, clockid_t *clock)
{
    return worker_has_ended(thread) ? ESRCH : real.pthread_getcpuclockid(thread, clock);
}

int managed_pthread_getname_np(pthread_t thread, char *name, size_t size)
{
    if (size >= 16 && worker_has_ended(thread))
        return ENOENT;
    return real.pthread_getname_np(thread, name, size);
}
