/* Calls whose meaning is a number (prctl, fcntl, ptrace, syscall), in managed mode: what they will do to a thread is
 * known before, whether they succeed is not. In doubt a thread is taken to be changed: it only ends where it might be
 * reused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "shim/domain/counts.h"
#include "shim/os.h"
#include "shim/process/admission.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/team/turn.h"
#include "shim/thread/change.h"
#include "shim/thread/leave.h"
#include "shim/thread/lineage.h"
#include "shim/thread/pool.h"
#include "shim/thread/signal.h"
#include "shim/thread/timer.h"
#include "shim/thread/worker.h"

/* ---- another thread, by the kernel's number; 0: the calling one ---- */

static void changes(unsigned long tid)
{
    lineage_changed_tid((pid_t)tid);
}

/* `which` as in setpriority(2) and, one more, in ioprio_set(2): a thread, or others of which we do not know whose. */
static void changes_priority(unsigned long which, unsigned long who, unsigned long thread)
{
    if (which == thread)
        changes(who);
    else
        pool_forget();
}

/* ---- ptrace, prctl ---- */

void before_ptrace(struct call_registers *registers)
{
    (void)registers;
    lineage_changed_self(); /* a tracer that ends lets its tracees go */
}

/* Those that change the calling thread, or its inheritance. What only asks is even in no way visible; what changes the
 * whole process is no thread's. */
static bool prctl_changes_thread(unsigned long option)
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
    /* Not again: an earlier filter may be in the way. And a vfork child restricts itself alone. */
    if (pool_is_forgotten() || pool_is_parents())
        return;
    report_stop();
    admission_stop();
    turn_stop();
    counts_freeze();
    pool_forget();
    lineage_changed_self();
}

/* Reading the time stamp counter may be a SIGSEGV from here on, and reading the clock without the kernel does so. */
static void restrict_clock(void)
{
    os_avoid_counter();
    lineage_changed_self();
}

void before_prctl(struct call_registers *registers)
{
    unsigned long option = registers->argument[0];
    if (option == PR_SET_NAME)
        names_changed(slot.worker);
    else if (option == PR_SET_SECCOMP)
        restrict_calls();
    else if (option == PR_SET_TSC)
        restrict_clock();
    else if (option == PR_SCHED_CORE)
        changes(registers->argument[2]);
    else if (prctl_changes_thread(option))
        lineage_changed_self();
}

/* ---- fcntl ---- */

/* Signals of a descriptor for one thread. */
void before_fcntl(struct call_registers *registers)
{
    struct f_owner_ex owner;
    if ((int)registers->argument[1] == F_SETOWN_EX && !pool_is_forgotten() &&
        os_read_memory((const void *)registers->argument[2], &owner, sizeof owner) && owner.type == F_OWNER_TID)
        signal_may_tie(owner.pid, "it owns a descriptor");
}

void before_fcntl64(struct call_registers *registers)
{
    before_fcntl(registers);
}

void before___fcntl(struct call_registers *registers)
{
    before_fcntl(registers);
}

/* ---- syscall ---- */

/* libc's syscall(): numbers that change the calling thread, or tie something of the kernel's to it. */
static bool syscall_changes_thread(unsigned long number)
{
    switch (number) {
    case SYS_add_key:
    case SYS_arch_prctl:
    case SYS_capset:
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
    case SYS_io_uring_setup:
    case SYS_ioperm:
    case SYS_iopl:
    case SYS_keyctl:
    case SYS_landlock_restrict_self:
    case SYS_personality:
    case SYS_pkey_alloc:
    case SYS_ptrace:
    case SYS_request_key:
    case SYS_rseq:
    case SYS_set_mempolicy:
    case SYS_set_robust_list:
    case SYS_set_tid_address:
    case SYS_setfsgid:
    case SYS_setfsuid:
    case SYS_setgid:
    case SYS_setgroups:
    case SYS_setregid:
    case SYS_setresgid:
    case SYS_setresuid:
    case SYS_setreuid:
    case SYS_setuid:
    case SYS_vfork:
        return true;
    default:
        return false;
    }
}

/* A signal for a thread by number: for one that has ended, as the program sees it, it becomes one for a number that no
 * thread has (ESRCH). */
static void redirect_signal(unsigned long *tid)
{
    if (!signal_may_reach((int)*tid, (int)tid[1]))
        *tid = INT_MAX;
}

/* The arguments of the system call itself, from the second of syscall() on. */
static void before_number(unsigned long number, struct call_registers *registers)
{
    unsigned long *argument = &registers->argument[1];
    switch (number) {
    case SYS_exit:
        leave_thread();
        break;
    case SYS_sigaltstack:
        if (slot.worker)
            slot.worker->traces.has_altstack = true;
        break;
    case SYS_prctl: {
        struct call_registers shifted = {.argument = {argument[0], argument[1], argument[2]}};
        before_prctl(&shifted);
        break;
    }
    case SYS_fcntl: {
        struct call_registers shifted = {.argument = {argument[0], argument[1], argument[2]}};
        before_fcntl(&shifted);
        break;
    }
    case SYS_tkill:
        redirect_signal(&argument[0]);
        break;
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
        redirect_signal(&argument[1]);
        break;
    case SYS_pidfd_open:
        if (!pidfd_may_open((pid_t)argument[0], (unsigned)argument[1]))
            argument[0] = INT_MAX;
        break;
    case SYS_seccomp:
        restrict_calls();
        break;
    case SYS_unshare:
    case SYS_setns:
        pool_empty();
        lineage_changed_self();
        break;
    case SYS_sched_setaffinity:
    case SYS_sched_setattr:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
        changes(argument[0]);
        break;
    case SYS_setpriority:
        changes_priority(argument[0], argument[1], PRIO_PROCESS);
        break;
    case SYS_ioprio_set:
        changes_priority(argument[0], argument[1], IOPRIO_WHO_PROCESS);
        break;
    case SYS_perf_event_open:
        if ((pid_t)argument[1] >= 0)
            changes(argument[1]);
        break;
    case SYS_timer_create:
        timer_tie((clockid_t)argument[0], (const struct sigevent *)argument[1]);
        break;
    default:
        if (syscall_changes_thread(number))
            lineage_changed_self();
    }
}

void before_syscall(struct call_registers *registers)
{
    before_number(registers->argument[0], registers);
}
