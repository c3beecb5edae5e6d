/* Calls that change a thread, in managed mode: what a worker's next task must not find, and what a thread that is
 * created inherits natively. Each does what libc does first; a call that failed has changed nothing. */
#include "shim/thread/change.h"

#include <errno.h>
#include <sys/syscall.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/attributes.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/signal.h"
#include "shim/thread/worker.h"
#include "shim/verdict.h"

/* ---- names ---- */

static bool names_used;

bool names_are_used(void)
{
    return load_relaxed(&names_used); /* a creator that has not seen it has created before */
}

void names_changed(struct worker *worker)
{
    store_relaxed(&names_used, true);
    if (worker)
        worker->has_name = false; /* it is no longer the one that we set last */
}

int managed_pthread_setname_np(pthread_t thread, const char *name)
{
    if (worker_has_ended(thread))
        return ENOENT;
    names_changed(worker_of(thread));
    return real.pthread_setname_np(thread, name);
}

/* ---- by the thread's id; an int result is an error number ---- */

static int changed(pthread_t thread, int error)
{
    if (error == 0)
        lineage_changed(thread);
    return error;
}

int managed_pthread_setaffinity_np_2_3_3(pthread_t thread, const cpu_set_t *set)
{
    return changed(thread, real.pthread_setaffinity_np_2_3_3(thread, set));
}

int managed_pthread_setaffinity_np_2_3_4(pthread_t thread, size_t size, const cpu_set_t *set)
{
    return changed(thread, real.pthread_setaffinity_np_2_3_4(thread, size, set));
}

int managed_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
    if (worker_has_ended(thread))
        return ESRCH;
    return changed(thread, real.pthread_setschedparam(thread, policy, param));
}

int managed_pthread_setschedprio(pthread_t thread, int priority)
{
    if (worker_has_ended(thread))
        return ESRCH;
    return changed(thread, real.pthread_setschedprio(thread, priority));
}

/* ---- by the kernel's number ---- */

static int changed_tid(pid_t tid, int result)
{
    if (result == 0)
        lineage_changed_tid(tid);
    return result;
}

/* A thread that has ended has no number, as far as the program can tell. */
static bool is_gone(pid_t tid)
{
    bool is = tid > 0 && worker_tid_has_ended(tid);
    if (is)
        errno = ESRCH;
    return is;
}

int managed_sched_setaffinity_2_3_3(pid_t tid, const cpu_set_t *set)
{
    return is_gone(tid) ? -1 : changed_tid(tid, real.sched_setaffinity_2_3_3(tid, set));
}

int managed_sched_setaffinity_2_3_4(pid_t tid, size_t size, const cpu_set_t *set)
{
    return is_gone(tid) ? -1 : changed_tid(tid, real.sched_setaffinity_2_3_4(tid, size, set));
}

int managed_sched_setparam(pid_t tid, const struct sched_param *param)
{
    return is_gone(tid) ? -1 : changed_tid(tid, real.sched_setparam(tid, param));
}

int managed_sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return is_gone(tid) ? -1 : changed_tid(tid, real.sched_setscheduler(tid, policy, param));
}

int managed___sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return is_gone(tid) ? -1 : changed_tid(tid, real.__sched_setscheduler(tid, policy, param));
}

int managed_setpriority(enum __priority_which which, id_t who, int priority)
{
    if (which == PRIO_PROCESS && is_gone((pid_t)who))
        return -1;
    /* On Linux PRIO_PROCESS is one thread; a group or a user's processes may contain all of ours. */
    int result = real.setpriority(which, who, priority);
    if (result == 0 && which == PRIO_PROCESS)
        lineage_changed_tid((pid_t)who);
    else if (result == 0)
        pool_forget();
    return result;
}

/* ---- the calling thread ---- */

static int changed_self(int result)
{
    if (result != -1)
        lineage_changed_self();
    return result;
}

int managed_nice(int increment)
{
    int result = real.nice(increment); /* -1 may be the new value: then one thread is a real one for nothing */
    lineage_changed_self();
    return result;
}

int managed_personality(unsigned long persona)
{
    int result = real.personality(persona);
    return persona == 0xffffffff ? result : changed_self(result); /* that one only asks */
}

int managed_capset(cap_user_header_t header, const cap_user_data_t data)
{
    return changed_self(real.capset(header, data));
}

int managed_setfsuid(uid_t uid)
{
    return changed_self(real.setfsuid(uid));
}

int managed_setfsgid(gid_t gid)
{
    return changed_self(real.setfsgid(gid));
}

int managed_pkey_set(int key, unsigned int rights)
{
    return changed_self(real.pkey_set(key, rights));
}

int managed_pkey_alloc(unsigned int flags, unsigned int rights)
{
    return changed_self(real.pkey_alloc(flags, rights)); /* the calling thread gets the rights */
}

int managed_ioperm(unsigned long from, unsigned long count, int on)
{
    return changed_self(real.ioperm(from, count, on));
}

int managed_iopl(int level)
{
    return changed_self(real.iopl(level));
}

int managed_arch_prctl(int code, unsigned long address)
{
    return changed_self(real.arch_prctl(code, address));
}

int managed___arch_prctl(int code, unsigned long address)
{
    return changed_self(real.__arch_prctl(code, address));
}

/* The kernel grants some of these to a process of one thread only: parked ones must not be in the way. */
int managed_unshare(int flags)
{
    pool_empty();
    return changed_self(real.unshare(flags));
}

int managed_setns(int fd, int type)
{
    pool_empty();
    return changed_self(real.setns(fd, type));
}

static void note_altstack(const void *stack)
{
    if (stack)
        verdict_prepare(); /* a handler there may have no room for it */
    if (stack && slot.worker)
        slot.worker->traces.has_altstack = true;
}

int managed_sigaltstack(const stack_t *stack, stack_t *old)
{
    note_altstack(stack);
    return real.sigaltstack(stack, old);
}

int managed_sigstack(struct sigstack *stack, struct sigstack *old)
{
    note_altstack(stack);
    return real.sigstack(stack, old);
}

/* Guard pages inside a stack (HotSpot has them) would meet the next task. */
int managed_mprotect(void *address, size_t size, int protection)
{
    struct worker *worker = slot.worker;
    if (worker) {
        uintptr_t from = (uintptr_t)address, high = (uintptr_t)worker->id + 2 * OS_PAGE;
        if (from < high && from + size > high - worker->stack.size)
            worker_retire_self("its stack was protected");
    }
    return real.mprotect(address, size, protection);
}

/* Idle stacks count for the limits on the address space and, since Linux 4.7, on data. */
static int limited(__rlimit_resource_t resource, int result)
{
    if (result == 0 && (resource == RLIMIT_AS || resource == RLIMIT_DATA))
        pool_limit_stacks();
    return result;
}

int managed_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return limited(resource, real.setrlimit(resource, limit));
}

int managed_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    return limited(resource, real.setrlimit64(resource, limit));
}

int managed_prlimit(pid_t process, enum __rlimit_resource resource, const struct rlimit *limit, struct rlimit *old)
{
    return limited(resource, real.prlimit(process, resource, limit, old));
}

int managed_prlimit64(pid_t process, enum __rlimit_resource resource, const struct rlimit64 *limit,
                      struct rlimit64 *old)
{
    return limited(resource, real.prlimit64(process, resource, limit, old));
}

int managed_pthread_setattr_default_np(const pthread_attr_t *attr)
{
    int error = real.pthread_setattr_default_np(attr);
    attributes_defaults_changed();
    return error;
}
