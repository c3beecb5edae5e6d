/* Calls that change a thread, in managed mode: what a worker's next task must not find, and what a thread that is
 * created inherits natively. Each does what libc does first; a call that failed has changed nothing. */
#include "shim/thread/change.h"

#include <errno.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/thread/attributes.h"
#include "shim/thread/leave.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/signal.h"
#include "shim/thread/worker.h"

/* ---- names ---- */

static bool names_used;

bool names_are_used(void)
{
    return load_relaxed(&names_used); /* a creator that has not seen it has created before */
}

static void note_name(struct worker *worker)
{
    store_relaxed(&names_used, true);
    if (worker)
        worker->has_name = false; /* it is no longer the one that we set last */
}

int managed_pthread_setname_np(pthread_t thread, const char *name)
{
    if (worker_has_ended(thread))
        return ENOENT;
    note_name(worker_of(thread));
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

int managed_sched_setaffinity_2_3_3(pid_t tid, const cpu_set_t *set)
{
    return changed_tid(tid, real.sched_setaffinity_2_3_3(tid, set));
}

int managed_sched_setaffinity_2_3_4(pid_t tid, size_t size, const cpu_set_t *set)
{
    return changed_tid(tid, real.sched_setaffinity_2_3_4(tid, size, set));
}

int managed_sched_setparam(pid_t tid, const struct sched_param *param)
{
    return changed_tid(tid, real.sched_setparam(tid, param));
}

int managed_sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return changed_tid(tid, real.sched_setscheduler(tid, policy, param));
}

int managed___sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return changed_tid(tid, real.__sched_setscheduler(tid, policy, param));
}

int managed_setpriority(enum __priority_which which, id_t who, int priority)
{
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

int managed_sigaltstack(const stack_t *stack, stack_t *old)
{
    if (stack && slot.worker)
        slot.worker->traces.has_altstack = true;
    return real.sigaltstack(stack, old);
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

int managed_pthread_setattr_default_np(const pthread_attr_t *attr)
{
    int error = real.pthread_setattr_default_np(attr);
    attributes_defaults_changed();
    return error;
}

/* ---- by number: what they will do is known before, and whether they succeed is not ---- */

void before_ptrace(struct call_registers *registers)
{
    (void)registers;
    lineage_changed_self(); /* a tracer that ends lets its tracees go */
}

/* Those that change the calling thread, or its inheritance. What only asks is even in no way visible; what changes the
 * whole process is no thread's. */
static bool changes_thread(unsigned long option)
{
    switch (option) {
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_UNALIGN:
    case PR_GET_KEEPCAPS:
    case PR_GET_FPEMU:
    case PR_GET_FPEXC:
    case PR_GET_TIMING:
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_GET_ENDIAN:
    case PR_GET_SECCOMP:
    case PR_CAPBSET_READ:
    case PR_GET_TSC:
    case PR_GET_SECUREBITS:
    case PR_GET_TIMERSLACK:
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
    case PR_MCE_KILL_GET:
    case PR_SET_MM:
    case PR_SET_PTRACER:
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_CHILD_SUBREAPER:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_TID_ADDRESS:
    case PR_GET_THP_DISABLE:
    case PR_SET_THP_DISABLE:
    case 0x53564d41: /* PR_SET_VMA: names of mappings */
        return false;
    default:
        return true;
    }
}

/* A filter is about to be installed that may kill a process for any call that the program itself does not make. From
 * here we make none: no log, no parking. */
static void restrict_calls(void)
{
    report_stop();
    pool_forget();
    lineage_changed_self();
}

void before_prctl(struct call_registers *registers)
{
    if (registers->argument[0] == PR_SET_NAME)
        note_name(slot.worker);
    else if (registers->argument[0] == PR_SET_SECCOMP)
        restrict_calls();
    else if (changes_thread(registers->argument[0]))
        lineage_changed_self();
}

/* libc's syscall(): numbers that change the calling thread, or tie something of the kernel's to it. */
static bool syscall_changes_thread(unsigned long number)
{
    switch (number) {
    case SYS_arch_prctl:
    case SYS_capset:
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
    case SYS_io_uring_setup:
    case SYS_ioprio_set:
    case SYS_keyctl:
    case SYS_landlock_restrict_self:
    case SYS_perf_event_open:
    case SYS_personality:
    case SYS_ptrace:
    case SYS_rseq:
    case SYS_sched_setaffinity:
    case SYS_sched_setattr:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
    case SYS_set_mempolicy:
    case SYS_set_robust_list:
    case SYS_set_tid_address:
    case SYS_timer_create:
    case SYS_setfsgid:
    case SYS_setfsuid:
    case SYS_setgid:
    case SYS_setgroups:
    case SYS_setns:
    case SYS_setpriority:
    case SYS_setregid:
    case SYS_setresgid:
    case SYS_setresuid:
    case SYS_setreuid:
    case SYS_setuid:
    case SYS_unshare:
    case SYS_vfork:
        return true;
    default:
        return false;
    }
}

void before_syscall(struct call_registers *registers)
{
    unsigned long number = registers->argument[0];
    if (number == SYS_exit)
        leave_thread();
    else if (number == SYS_sigaltstack && slot.worker)
        slot.worker->traces.has_altstack = true;
    else if (number == SYS_prctl) {
        struct call_registers shifted = {.argument[0] = registers->argument[1]};
        before_prctl(&shifted);
    } else if (number == SYS_tgkill || number == SYS_tkill || number == SYS_rt_tgsigqueueinfo) {
        unsigned long *tid = &registers->argument[number == SYS_tkill ? 1 : 2];
        if (!signal_may_reach((int)*tid, (int)tid[1]))
            *tid = INT_MAX; /* which no thread has: ESRCH */
    } else if (number == SYS_seccomp) {
        restrict_calls();
    } else if (number == SYS_unshare || number == SYS_setns) {
        pool_empty();
        lineage_changed_self();
    } else if ((number == SYS_sched_setaffinity || number == SYS_sched_setattr || number == SYS_sched_setparam ||
                number == SYS_sched_setscheduler) &&
               registers->argument[1]) {
        lineage_changed_tid((pid_t)registers->argument[1]);
    } else if (syscall_changes_thread(number)) {
        lineage_changed_self();
    }
}
