/* Timers and sleeps by the CPU clock of a thread, in managed mode. A program reads such a clock from the beginning of
 * the task on (clock.c), the kernel from that of the thread: a point in time means the same for both only if it is
 * moved. */
#include "shim/thread/timer.h"

#include <errno.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/lock.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/clock.h"
#include "shim/thread/pool.h"
#include "shim/thread/signal.h"
#include "shim/thread/worker.h"

enum { SECOND = 1000000000 };

/* What the program gave, which may be any address, and libc would refuse it. */
static bool read_given(const void *given, void *out, size_t size)
{
    if (!pool_is_forgotten())
        return os_read_memory(given, out, size);
    memcpy(out, given, size); /* the program may have forbidden the call that makes sure */
    return true;
}

static void move(struct timespec *time, int64_t base)
{
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= SECOND)
        return; /* to be refused */
    int64_t nanoseconds = time->tv_nsec + base % SECOND;
    time->tv_sec += base / SECOND + nanoseconds / SECOND;
    time->tv_nsec = nanoseconds % SECOND;
}

/* ---- sleeps ---- */

int managed_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    struct timespec moved;
    if (clock < 0 && clock_has_ended(clock))
        return EINVAL;
    int64_t base = flags & TIMER_ABSTIME && clock < 0 ? clock_base(clock) : 0;
    if (base == 0 || !read_given(time, &moved, sizeof moved))
        return real.clock_nanosleep(clock, flags, time, left);
    move(&moved, base);
    return real.clock_nanosleep(clock, flags, &moved, left);
}

/* ---- timers ---- */

/* The last timers of clocks that had run before their task: by how much. `id` is one more than the timer's, and 0 while
 * an entry changes, which is seldom: timer_settime may be called in a signal handler, and takes no lock. */
struct measured {
    uintptr_t id;
    int64_t base;
};
enum { MOST_MEASURED = 32 };
static struct measured measured[MOST_MEASURED];
static unsigned measured_count;
static lock_word measuring;

static void note_base(timer_t timer, int64_t base)
{
    lock(&measuring);
    struct measured *entry = &measured[measured_count++ % MOST_MEASURED];
    store_relaxed(&entry->id, 0);
    /* Release: who sees the new base has seen that the old entry is gone. */
    store_release(&entry->base, base);
    store_release(&entry->id, (uintptr_t)timer + 1); /* and who sees this id sees its base */
    unlock(&measuring);
}

static int64_t base_of(timer_t timer)
{
    uintptr_t id = (uintptr_t)timer + 1;
    for (int i = 0; i < MOST_MEASURED; i++) {
        if (load_acquire(&measured[i].id) != id)
            continue;
        int64_t base = load_acquire(&measured[i].base);
        if (load_relaxed(&measured[i].id) == id)
            return base;
    }
    return 0;
}

/* The numbers of timers that are gone come again. */
static void forget_base(timer_t timer)
{
    uintptr_t id = (uintptr_t)timer + 1;
    for (int i = 0; i < MOST_MEASURED; i++) {
        uintptr_t found = id;
        __atomic_compare_exchange_n(&measured[i].id, &found, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

/* One that measures a thread's CPU time, or signals a thread, outlives the task: the thread must end with it. */
void timer_tie(clockid_t clock, const struct sigevent *event)
{
    static const char timed[] = "a timer belongs to it";
    struct worker *worker = clock_worker(clock);
    struct sigevent copy;
    if (pool_is_forgotten())
        return;
    if (worker)
        worker_retire(worker, timed);
    if (event && os_read_memory(event, &copy, sizeof copy) && copy.sigev_notify == SIGEV_THREAD_ID)
        signal_may_tie(copy._sigev_un._tid, timed);
}

int managed_timer_create_2_2_5(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    timer_tie(clock, event);
    return real.timer_create_2_2_5(clock, event, timer);
}

int managed_timer_create_2_3_3(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    if (clock_has_ended(clock)) {
        errno = EINVAL;
        return -1;
    }
    timer_tie(clock, event);
    int64_t base = clock_base(clock);
    int result = real.timer_create_2_3_3(clock, event, timer);
    if (result == 0) {
        forget_base(*timer);
        if (base)
            note_base(*timer, base);
    }
    return result;
}

int managed_timer_settime_2_3_3(timer_t timer, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    struct itimerspec moved;
    int64_t base = flags & TIMER_ABSTIME ? base_of(timer) : 0;
    if (base == 0 || !read_given(value, &moved, sizeof moved))
        return real.timer_settime_2_3_3(timer, flags, value, old);
    if (moved.it_value.tv_sec || moved.it_value.tv_nsec) /* 0 stops the timer */
        move(&moved.it_value, base);
    return real.timer_settime_2_3_3(timer, flags, &moved, old);
}
