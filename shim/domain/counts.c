/* How many CPUs a program and its runtimes are told of, in managed mode.
 *
 * Runtimes ask libc for the CPUs when they initialise, and make as many threads as they find. That one answer is the
 * quota where it is less; what they and everybody else ask later is answered as it is. */
#include "shim/domain/counts.h"

#include <signal.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/capacity.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

/* ---- the quota ---- */

enum { SECOND_NS = 1000000000, LIMIT_SHIFT = 32 };

/* What was read last: KNOWN, which limit, and the quota; and when. Relaxed: `known` is one word and stands for nothing
 * else, and `read_at` decides only who reads again. While one thread does, others take what was known. */
#define KNOWN (1ull << 63)
static uint64_t known;
static int64_t read_at;
static bool frozen;

struct quota {
    unsigned cpus; /* 0: none */
    enum capacity_limit limit;
};

static struct quota unpack(uint64_t word)
{
    return (struct quota){(unsigned)word, (enum capacity_limit)((word & ~KNOWN) >> LIMIT_SHIFT)};
}

/* Reading takes several KiB of stack, which an alternate signal stack need not have. */
static bool may_read(void)
{
    stack_t stack;
    return !load_relaxed(&frozen) && (real.sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_ONSTACK));
}

static __attribute__((noinline)) void read_quota_now(void)
{
    struct capacity capacity;
    if (!may_read())
        return;
    capacity_read_quota("", &capacity);
    store_relaxed(&known, KNOWN | (uint64_t)capacity.limit << LIMIT_SHIFT | capacity.quota);
}

/* The quota as it was at most a second ago. */
static struct quota quota_now(void)
{
    int64_t now = os_now(), last = load_relaxed(&read_at);
    bool is_fresh = last && now - last < SECOND_NS;
    if (!load_relaxed(&known) || (!is_fresh && cas_acquire(&read_at, last, now)))
        read_quota_now();
    return unpack(load_relaxed(&known));
}

void counts_start(void)
{
    /* Steering reads it when a runtime starts, which most programs have none of; but sysconf() is called in signal
     * handlers, too. */
    if (settings.counts == COUNTS_QUOTA)
        quota_now();
}

void counts_freeze(void)
{
    /* Relaxed: the restricted thread itself stores it. Where the restriction is for all threads, a reading that one of
     * them has begun cannot be called back, whatever the order. */
    store_relaxed(&frozen, true);
}

/* ---- programs, where the user wants it ---- */

static long told(enum symbol call, const void *caller, long native)
{
    if (native <= 0 || !may_manage(REQUEST_CPU_COUNT, call, caller))
        return native;
    return count_limit((unsigned)native, quota_now().cpus);
}

long managed_sysconf(int name)
{
    long native = real.sysconf(name);
    return name == _SC_NPROCESSORS_ONLN ? told(SYMBOL_sysconf, CALLER, native) : native;
}

long managed___sysconf(int name)
{
    long native = real.__sysconf(name);
    return name == _SC_NPROCESSORS_ONLN ? told(SYMBOL___sysconf, CALLER, native) : native;
}

int managed_get_nprocs(void)
{
    return (int)told(SYMBOL_get_nprocs, CALLER, real.get_nprocs());
}

/* ---- runtimes ---- */

unsigned counts_for_runtime(enum runtime runtime, const struct object *object, unsigned cpus)
{
    if (settings.counts == COUNTS_HOST || !count_is_left_open(runtime, environ))
        return cpus;
    struct quota quota = quota_now();
    unsigned limited = count_limit(cpus, quota.cpus);
    if (limited < cpus)
        report_runtime(object->name, limited, cpus, quota.limit);
    return limited;
}

/* `mask` is what the code at `caller` is about to be told: its own thread's CPUs. */
static __attribute__((noinline)) void tell_mask(enum runtime runtime, const void *caller, unsigned char *mask,
                                                size_t size)
{
    struct object object;
    if (runtime_of(caller, &object) != runtime || !runtime_is_starting(&object))
        return;
    unsigned cpus = count_cpus(mask, size), limited = counts_for_runtime(runtime, &object, cpus);
    if (limited < cpus)
        count_cut(mask, size, limited);
}

static void tell_process(const void *caller, pid_t thread, cpu_set_t *set, size_t size)
{
    if (settings.counts != COUNTS_HOST && thread == 0)
        tell_mask(RUNTIME_OPENBLAS, caller, (unsigned char *)set, size);
}

static void tell_thread(const void *caller, pthread_t thread, cpu_set_t *set, size_t size)
{
    if (settings.counts != COUNTS_HOST && pthread_equal(thread, pthread_self()))
        tell_mask(RUNTIME_LIBGOMP, caller, (unsigned char *)set, size);
}

int managed_sched_getaffinity_2_3_3(pid_t thread, cpu_set_t *set)
{
    int result = real.sched_getaffinity_2_3_3(thread, set);
    if (result == 0)
        tell_process(CALLER, thread, set, sizeof *set);
    return result;
}

int managed_sched_getaffinity_2_3_4(pid_t thread, size_t size, cpu_set_t *set)
{
    int result = real.sched_getaffinity_2_3_4(thread, size, set);
    if (result == 0)
        tell_process(CALLER, thread, set, size);
    return result;
}

int managed_pthread_getaffinity_np_2_3_3(pthread_t thread, cpu_set_t *set)
{
    int error = real.pthread_getaffinity_np_2_3_3(thread, set);
    if (error == 0)
        tell_thread(CALLER, thread, set, sizeof *set);
    return error;
}

int managed_pthread_getaffinity_np_2_3_4(pthread_t thread, size_t size, cpu_set_t *set)
{
    int error = real.pthread_getaffinity_np_2_3_4(thread, size, set);
    if (error == 0)
        tell_thread(CALLER, thread, set, size);
    return error;
}
