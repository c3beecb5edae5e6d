/* What a task does to its own thread, or what is done to it or tied to it, must not meet the next task; and what a
 * creator has done to itself must. Each row sets something in the kernel that is no libc state, and looks. What the
 * looks say must be what they say where each task has a thread of its own.
 *
 *   taint [ROW [VARIANT]]
 *
 *   task      a task sets it (to itself, or where the row says so to another one that runs), main's next tasks look
 *   nested    a task sets it, and looks in a task that it makes itself; then main's next tasks look
 *   creator   main sets it while there are parked threads, and its next tasks look
 *
 * Each row and variant runs in a process of its own. Where the kernel refuses, the row says so.
 *
 * `recycled` (see posix_cases.h) tells how many kernel threads the tasks had that a row makes before it sets anything.
 */
#include "posix_cases.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- where sets and looks write ---- */

static char found[512], refused[32];

__attribute__((format(printf, 1, 2))) static void find(const char *format, ...)
{
    size_t length = strlen(found);
    va_list list;
    va_start(list, format);
    vsnprintf(found + length, sizeof found - length, format, list);
    va_end(list);
}

/* The first refusal is remembered, and said. */
static long try(long result)
{
    if (result == -1 && !refused[0])
        snprintf(refused, sizeof refused, "%s", name_of(errno));
    return result;
}

static int number_of(pid_t tid)
{
    return tid ? tid : (int)syscall(SYS_gettid);
}

/* ---- what /proc tells of the calling thread ---- */

static void find_status(const char *prefix)
{
    char line[256];
    FILE *file = fopen("/proc/thread-self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, prefix, strlen(prefix)) == 0)
            find("%.*s ", (int)strcspn(line, "\n"), line);
    if (file)
        fclose(file);
}

static void look_users(void)
{
    find_status("Uid:");
    find_status("Gid:");
    find_status("Groups:");
}

static void look_capabilities(void)
{
    find_status("Cap");
}

/* ---- credentials of one thread ---- */

static void set_effective_user(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_setresuid, -1, 1234, -1));
}

static void set_reuid(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_setreuid, -1, 1235));
}

static void set_gid(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_setregid, -1, 1236));
}

static void set_groups(pid_t tid)
{
    gid_t groups[] = {7, 8};
    (void)tid;
    try(syscall(SYS_setgroups, 2, groups));
}

extern int capget(cap_user_header_t header, cap_user_data_t data);
extern int capset(cap_user_header_t header, const cap_user_data_t data);

static void drop_capabilities(pid_t tid)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    (void)tid;
    try(capset(&header, none));
}

static void inherit_capabilities(pid_t tid)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    (void)tid;
    syscall(SYS_capget, &header, data);
    data[0].inheritable = data[0].permitted;
    try(syscall(SYS_capset, &header, data));
}

static void set_ambient(pid_t tid)
{
    inherit_capabilities(tid);
    try(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
}

static void drop_bound(pid_t tid)
{
    (void)tid;
    try(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0));
}

static void set_securebits(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_SECUREBITS, 1 /* SECBIT_NOROOT */, 0, 0, 0));
}

static void look_securebits(void)
{
    find("%d", prctl(PR_GET_SECUREBITS));
}

static void set_keep_capabilities(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

static void look_keep_capabilities(void)
{
    find("%d", prctl(PR_GET_KEEPCAPS));
}

static void set_no_new_privileges(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void look_no_new_privileges(void)
{
    find("%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* ---- keys: the numbers are keyutils.h's ---- */

enum { OWN_THREAD = -1, OWN_SESSION = -3, GET_ID = 0, JOIN_SESSION = 1, SEARCH = 10, SET_DEFAULT = 14 };
static long session;

static void note_session(void)
{
    session = syscall(SYS_keyctl, GET_ID, OWN_SESSION, 0);
}

static void join_session(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_keyctl, JOIN_SESSION, NULL));
}

static void look_session(void)
{
    find("%s", syscall(SYS_keyctl, GET_ID, OWN_SESSION, 0) == session ? "the old one" : "another one");
}

static void add_key(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_add_key, "user", "unirun:taint", "x", 1, OWN_THREAD));
}

static void make_keyring(void)
{
    syscall(SYS_keyctl, GET_ID, OWN_THREAD, 1);
}

static void look_key(void)
{
    find("keyring %d, ", syscall(SYS_keyctl, GET_ID, OWN_THREAD, 0) > 0);
    find("key %d", syscall(SYS_keyctl, SEARCH, OWN_THREAD, "user", "unirun:taint", 0) > 0);
}

static void set_default_keyring(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_keyctl, SET_DEFAULT, 2 /* the process's */));
}

static void look_default_keyring(void)
{
    find("%ld", syscall(SYS_keyctl, SET_DEFAULT, -1 /* no change */));
}

/* ---- prctl ---- */

static void set_slack(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_prctl, PR_SET_TIMERSLACK, 1234567, 0, 0, 0));
}

static void look_slack(void)
{
    find("%d", prctl(PR_GET_TIMERSLACK));
}

static void set_slack_by_file(pid_t tid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/timerslack_ns", number_of(tid));
    int fd = (int)try(open(path, O_WRONLY));
    try(write(fd, "7654321", 7));
    close(fd);
}

static void set_subreaper(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

static void look_subreaper(void)
{
    int is = -1;
    prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0);
    find("%d", is);
}

static void set_flusher(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
}

static void look_flusher(void)
{
    find("%d", prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
}

static void set_speculation(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0));
}

static void look_speculation(void)
{
    find("%d", prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0));
}

static void set_core(pid_t tid)
{
    try(prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, tid, 0 /* that thread */, 0));
}

static void look_core(void)
{
    unsigned long cookie = 0;
    prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, (unsigned long)&cookie);
    find("%d", cookie != 0);
}

static void set_machine_check(pid_t tid)
{
    (void)tid;
    try(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
}

static void look_machine_check(void)
{
    find("%d", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
}

/* From here an instruction that most clocks are read with is deadly. */
static void set_tsc(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
}

static void look_tsc(void)
{
    int what = -1;
    prctl(PR_GET_TSC, &what, 0, 0, 0);
    find("%d", what);
}

static void set_cpuid(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_arch_prctl, 0x1012 /* ARCH_SET_CPUID */, 0));
}

static void look_cpuid(void)
{
    find("%ld", syscall(SYS_arch_prctl, 0x1011 /* ARCH_GET_CPUID */, 0));
}

/* ---- system calls that become signals ---- */

static char dispatch; /* 1: they do */
static atomic_int dispatched;

static void on_dispatch(int signal)
{
    (void)signal;
    dispatch = 0;
    dispatched++;
}

static void handle_dispatch(void)
{
    signal(SIGSYS, on_dispatch);
}

static void set_dispatch(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_SYSCALL_USER_DISPATCH, 1 /* on */, 0, 0, &dispatch));
}

static void look_dispatch(void)
{
    dispatched = 0;
    dispatch = 1;
    syscall(SYS_getppid);
    dispatch = 0;
    find("%d", dispatched);
}

/* ---- sandboxes ---- */

static struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static const struct sock_fprog filter = {sizeof code / sizeof *code, code};

static void set_filter(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    try(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

static void set_filter_raw(pid_t tid)
{
    (void)tid;
    try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    try(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
}

static void look_filter(void)
{
    find("%s", syscall(SYS_getpgid, 0) == -1 ? name_of(errno) : "allowed");
}

static void look_strict(void)
{
    find("%d", prctl(PR_GET_SECCOMP));
}

/* Nothing but to end is left to it. */
static void set_strict(pid_t tid)
{
    (void)tid;
    if (try(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0)) == 0)
        syscall(SYS_exit, 0);
}

static void set_landlock(pid_t tid)
{
    struct landlock_ruleset_attr rules = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR};
    (void)tid;
    int fd = (int)try(syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
    try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    try(syscall(SYS_landlock_restrict_self, fd, 0));
    close(fd);
}

static void look_landlock(void)
{
    int failed = mkdir("made", 0700);
    find("%s", failed ? name_of(errno) : "made");
    rmdir("made");
}

/* ---- name spaces, and what threads share ---- */

static const char *const spaces[] = {"uts", "net", "ipc", "mnt", "cgroup", "pid_for_children", "time_for_children"};
enum { SPACES = sizeof spaces / sizeof *spaces };
static ino_t main_spaces[SPACES];

static ino_t space(const char *name)
{
    char path[64];
    struct stat stat = {0};
    snprintf(path, sizeof path, "/proc/thread-self/ns/%s", name);
    int fd = open(path, O_RDONLY);
    fstat(fd, &stat);
    close(fd);
    return stat.st_ino;
}

static void note_spaces(void)
{
    for (int i = 0; i < SPACES; i++)
        main_spaces[i] = space(spaces[i]);
}

static void look_spaces(void)
{
    for (int i = 0; i < SPACES; i++)
        if (space(spaces[i]) != main_spaces[i])
            find("other %s, ", spaces[i]);
    find("the rest is the same");
}

static void leave_most(pid_t tid)
{
    (void)tid;
    try(unshare(CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP));
}

static void leave_uts_raw(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_unshare, CLONE_NEWUTS));
}

static void leave_mounts(pid_t tid)
{
    (void)tid;
    try(unshare(CLONE_NEWNS));
}

static void leave_pids(pid_t tid)
{
    (void)tid;
    try(unshare(CLONE_NEWPID));
}

static void leave_time(pid_t tid)
{
    (void)tid;
    try(unshare(0x80 /* CLONE_NEWTIME */));
}

static int other_uts = -1;

/* Another name space, of a child. */
static void open_uts(void)
{
    int ends[2];
    char path[64], byte;
    note_spaces();
    if (pipe(ends))
        return;
    pid_t child = fork();
    if (child == 0) {
        byte = unshare(CLONE_NEWUTS) ? 0 : 1;
        _exit(write(ends[1], &byte, 1) == 1 && pause() ? 0 : 1);
    }
    snprintf(path, sizeof path, "/proc/%d/ns/uts", child);
    if (read(ends[0], &byte, 1) == 1 && byte)
        other_uts = open(path, O_RDONLY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void enter_uts(pid_t tid)
{
    (void)tid;
    try(setns(other_uts, CLONE_NEWUTS));
}

static void enter_uts_raw(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_setns, other_uts, CLONE_NEWUTS));
}

static int semaphore = -1;

static void make_semaphore(void)
{
    semaphore = (int)try(semget(IPC_PRIVATE, 1, 0600));
    try(semop(semaphore, &(struct sembuf){0, 1, 0}, 1));
}

/* What is to be undone at the end of the process is to be undone at the end of the thread. */
static void leave_semaphores(pid_t tid)
{
    (void)tid;
    try(unshare(CLONE_SYSVSEM));
    try(semop(semaphore, &(struct sembuf){0, 1, SEM_UNDO}, 1));
}

static void look_semaphore(void)
{
    int value = semctl(semaphore, 0, GETVAL);
    for (int i = 0; i < 500 && value == 2; i++) {
        pause_ms(1);
        value = semctl(semaphore, 0, GETVAL);
    }
    find("%d", value);
}

static void remove_semaphore(void)
{
    if (semaphore >= 0)
        semctl(semaphore, 0, IPC_RMID);
}

static int late_fd = -1;

static void leave_files(pid_t tid)
{
    (void)tid;
    try(unshare(CLONE_FILES));
}

static void open_late(void)
{
    late_fd = open("/dev/null", O_RDONLY);
}

static void look_files(void)
{
    find("%s", late_fd < 0 || fcntl(late_fd, F_GETFD) >= 0 ? "shared" : "not shared");
}

/* ---- scheduling ---- */

struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t low, high;
};

static void set_attributes(pid_t tid)
{
    struct sched_attributes attributes = {.size = sizeof attributes, .policy = SCHED_BATCH, .nice = 4};
    try(syscall(SYS_sched_setattr, tid, &attributes, 0));
}

static void set_clamp(pid_t tid)
{
    struct sched_attributes attributes = {
        .size = sizeof attributes, .flags = 0x20 | 0x18 /* keep the rest */, .low = 99};
    try(syscall(SYS_sched_setattr, tid, &attributes, 0));
}

static void set_deadline(pid_t tid)
{
    struct sched_attributes attributes = {.size = sizeof attributes, .policy = 6, .flags = 1 /* reset on fork */};
    attributes.runtime = 1000000;
    attributes.deadline = attributes.period = 100000000;
    try(syscall(SYS_sched_setattr, tid, &attributes, 0));
}

static void look_scheduling(void)
{
    struct sched_attributes attributes = {0};
    syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0);
    find("policy %u, nice %d, priority %u, flags %lx, clamp %u", attributes.policy, attributes.nice,
         attributes.priority, (unsigned long)attributes.flags, attributes.low);
}

static void set_nice(pid_t tid)
{
    try(setpriority(PRIO_PROCESS, (id_t)tid, 5));
}

static void set_nice_raw(pid_t tid)
{
    try(syscall(SYS_setpriority, PRIO_PROCESS, tid, 6));
}

static void set_policy(pid_t tid)
{
    try(sched_setscheduler(tid, SCHED_IDLE, &(struct sched_param){0}));
}

static void set_policy_raw(pid_t tid)
{
    try(syscall(SYS_sched_setscheduler, tid, SCHED_BATCH, &(struct sched_param){0}));
}

static void set_one_cpu(pid_t tid)
{
    unsigned long one[16] = {0}, set[16] = {0};
    syscall(SYS_sched_getaffinity, 0, sizeof set, set);
    one[0] = set[0] & -set[0];
    try(syscall(SYS_sched_setaffinity, tid, sizeof one, one));
}

static void look_cpus(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    find("%d CPUs", CPU_COUNT(&set));
}

static void set_io_priority(pid_t tid)
{
    try(syscall(SYS_ioprio_set, 1 /* a thread */, tid, 3 << 13));
}

static void look_io_priority(void)
{
    find("%ld", syscall(SYS_ioprio_get, 1, 0));
}

static void set_memory_policy(pid_t tid)
{
    unsigned long nodes = 1;
    (void)tid;
    try(syscall(SYS_set_mempolicy, 3 /* interleave */, &nodes, 8 * sizeof nodes));
}

static void look_memory_policy(void)
{
    int mode = -1;
    syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
    find("%d", mode);
}

static void set_personality(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */));
}

static void look_personality(void)
{
    find("%lx", syscall(SYS_personality, 0xffffffff));
}

/* ---- the processor ---- */

static int protection_key = -1;

/* The kernel gives the calling thread, and no other, the rights to the new key. */
static void make_key(pid_t tid)
{
    (void)tid;
    protection_key = (int)try(pkey_alloc(0, 0));
}

static void make_key_raw(pid_t tid)
{
    (void)tid;
    protection_key = (int)try(syscall(SYS_pkey_alloc, 0, 0));
}

static void alloc_key(void)
{
    protection_key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
}

static void set_rights(pid_t tid)
{
    (void)tid;
    try(pkey_set(protection_key, 0));
}

static void look_rights(void)
{
    find("%d", protection_key < 0 ? -1 : pkey_get(protection_key));
}

static void set_base(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0x54321000UL));
}

static void look_base(void)
{
    unsigned long base = 0;
    syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &base);
    find("%lx", base);
}

static void set_ports(pid_t tid)
{
    (void)tid;
    try(ioperm(0x80, 1, 1));
}

static void set_ports_raw(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_ioperm, 0x80, 1, 1));
}

static void set_all_ports(pid_t tid)
{
    (void)tid;
    try(iopl(3));
}

static __thread sigjmp_buf fault;

static void on_fault(int signal)
{
    siglongjmp(fault, signal);
}

static void handle_faults(void)
{
    signal(SIGSEGV, on_fault);
}

static void look_ports(void)
{
    if (sigsetjmp(fault, 1) == 0) {
        inb(0x80);
        find("allowed");
    } else {
        find("refused");
    }
}

static void unregister_rseq(pid_t tid)
{
    (void)tid;
    char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
    try(syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
}

static void look_rseq(void)
{
    const struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
    find("%s", (int)area->cpu_id >= 0 ? "registered" : "not registered");
}

static void block_all_raw(pid_t tid)
{
    unsigned long all = ~0UL;
    (void)tid;
    try(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all));
}

static void look_mask(void)
{
    unsigned long mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof mask);
    find("%lx", mask);
}

/* ---- the task's stack ---- */

static void protect_and_restore_stack(pid_t tid)
{
    char here;
    (void)tid;
    char *page = (char *)(((uintptr_t)&here - (256 << 10)) & ~4095UL);
    try(syscall(SYS_mprotect, page, 4096, PROT_NONE));
    try(syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE));
}

static __attribute__((noinline)) void look_stack(void)
{
    char memory[512 << 10];
    struct stack {
        char bytes[32768];
    } *handlers = malloc(sizeof *handlers);
    sigaltstack(&(stack_t){.ss_sp = handlers, .ss_size = sizeof *handlers}, NULL);
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    if (sigsetjmp(fault, 1) == 0) {
        for (size_t i = 0; i < sizeof memory; i += 4096)
            ((volatile char *)memory)[i] = 1;
        find("all there");
    } else {
        find("a hole");
    }
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    free(handlers);
}

/* ---- rings ---- */

static int ring = -1;

static void make_ring(pid_t tid)
{
    struct io_uring_params params = {.flags = 1U << 12 /* SINGLE_ISSUER */};
    (void)tid;
    if (ring >= 0)
        close(ring);
    ring = (int)try(syscall(SYS_io_uring_setup, 2, &params));
}

static void look_ring(void)
{
    if (ring >= 0)
        find("%s", syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0) == -1 ? name_of(errno) : "mine");
}

static void register_ring(pid_t tid)
{
    struct io_uring_params params = {0};
    (void)tid;
    if (ring >= 0)
        close(ring);
    ring = (int)try(syscall(SYS_io_uring_setup, 2, &params));
    struct {
        uint32_t offset, reserved;
        uint64_t data;
    } update = {0, 0, (uint64_t)ring};
    try(syscall(SYS_io_uring_register, ring, 20 /* RING_FDS */, &update, 1));
}

static void look_registered_ring(void)
{
    long done = syscall(SYS_io_uring_enter, 0, 0, 0, 1U << 4 /* REGISTERED_RING */, NULL, 0);
    find("%s", done == -1 ? name_of(errno) : "registered");
}

/* ---- counters ---- */

static int counter = -1;

static void open_counter(pid_t tid)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_TASK_CLOCK};
    attr.exclude_kernel = 1;
    if (counter >= 0)
        close(counter);
    counter = (int)try(syscall(SYS_perf_event_open, &attr, tid, -1, -1, 0));
}

static void look_counter(void)
{
    uint64_t before = 0, after = 0;
    if (read(counter, &before, sizeof before) != sizeof before)
        return;
    for (volatile int i = 0; i < 3000000; i++)
        ;
    if (read(counter, &after, sizeof after) == sizeof after)
        find("%s", after == before ? "stands" : "counts");
}

/* ---- signals that are meant for a thread that has ended ---- */

static atomic_int signals;
static int pair[2] = {-1, -1};
static timer_t timer;

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGIO, &action, NULL);
    try(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
}

static void own_descriptor(pid_t tid)
{
    struct f_owner_ex owner = {F_OWNER_TID, number_of(tid)};
    try(fcntl(pair[0], F_SETOWN_EX, &owner));
    try(fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
}

static void own_descriptor_raw(pid_t tid)
{
    struct f_owner_ex owner = {F_OWNER_TID, number_of(tid)};
    try(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner));
    try(syscall(SYS_fcntl, pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
}

static void look_descriptor(void)
{
    signals = 0;
    for (int i = 0; i < 3; i++)
        if (write(pair[1], "x", 1) != 1)
            find("not written ");
    find("%s", signals ? "signals" : "none");
}

static void start_timer(void)
{
    try(timer_settime(timer, 0, &(struct itimerspec){{0, 2000000}, {0, 2000000}}, NULL));
}

static void aim_timer(pid_t tid)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    event._sigev_un._tid = number_of(tid);
    try(timer_create(CLOCK_MONOTONIC, &event, &timer));
    start_timer();
}

/* The number is the kernel's, as libc's timer_t is for all that do not notify by a thread. */
static void aim_timer_raw(pid_t tid)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    int number = 0;
    event._sigev_un._tid = number_of(tid);
    try(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
    timer = (timer_t)(intptr_t)number;
    start_timer();
}

static void look_timer(void)
{
    signals = 0;
    for (int i = 0; i < 20; i++)
        pause_ms(1);
    find("%s", signals ? "ticks" : "none");
}

/* ---- what is told when a thread ends ---- */

static int thread_fd = -1;

static void watch(pid_t tid)
{
    if (thread_fd >= 0)
        close(thread_fd);
    thread_fd = (int)try(pidfd_open(number_of(tid), O_EXCL /* PIDFD_THREAD */));
}

static void watch_raw(pid_t tid)
{
    if (thread_fd >= 0)
        close(thread_fd);
    thread_fd = (int)try(syscall(SYS_pidfd_open, number_of(tid), O_EXCL));
}

static void look_ended(void)
{
    if (thread_fd >= 0)
        find("%s", poll(&(struct pollfd){.fd = thread_fd, .events = POLLIN}, 1, 500) == 1 ? "ended" : "not ended");
}

static void signal_watched(void)
{
    if (thread_fd < 0)
        return;
    signals = 0;
    while (poll(&(struct pollfd){.fd = thread_fd, .events = POLLIN}, 1, 0) == 0 && !signals)
        if (syscall(SYS_pidfd_send_signal, thread_fd, SIGUSR1, NULL, 0))
            break;
    find("%s", signals ? "signals" : "none");
}

struct list_head {
    struct list_head *next;
};
static struct lock {
    struct list_head list;
    atomic_uint word;
} held;
static struct {
    struct list_head list;
    long offset;
    struct list_head *pending;
} robust_head;

static void hold_robust(pid_t tid)
{
    (void)tid;
    held.word = (unsigned)number_of(0);
    held.list.next = &robust_head.list;
    robust_head.list.next = &held.list;
    robust_head.offset = offsetof(struct lock, word);
    try(syscall(SYS_set_robust_list, &robust_head, sizeof robust_head));
}

static void look_robust(void)
{
    for (int i = 0; i < 500 && held.word && !(held.word & 0x40000000); i++)
        pause_ms(1);
    find("%s", held.word == 0 ? "free" : held.word & 0x40000000 ? "its owner died" : "held");
}

static atomic_int cleared;

static void *clear_soon(void *arg)
{
    pthread_detach(pthread_self());
    cleared = 77;
    try(syscall(SYS_set_tid_address, &cleared));
    return arg;
}

/* Its creator could never join it. */
static void clear_address(pid_t tid)
{
    (void)tid;
    start(clear_soon, NULL);
    for (int i = 0; i < 1000 && cleared == 0; i++)
        pause_ms(1);
}

static void look_cleared(void)
{
    for (int i = 0; i < 500 && cleared; i++)
        pause_ms(1);
    find("%d", cleared);
}

static pthread_mutex_t inheriting;

static void make_inheriting(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inheriting, &attr);
}

static void hold_inheriting(pid_t tid)
{
    (void)tid;
    pthread_mutex_trylock(&inheriting);
}

static void look_inheriting(void)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += (soon.tv_nsec += 30000000) / 1000000000;
    soon.tv_nsec %= 1000000000;
    find("%s, ", name_of(pthread_mutex_trylock(&inheriting)));
    int error = pthread_mutex_timedlock(&inheriting, &soon);
    find("%s", name_of(error));
    if (error == 0)
        pthread_mutex_unlock(&inheriting);
}

/* ---- children that depend on a thread ---- */

static pid_t child;

static void make_child(void)
{
    if ((child = fork()) == 0)
        for (;;)
            pause();
}

static void seize(pid_t tid)
{
    (void)tid;
    try(ptrace(PTRACE_SEIZE, child, NULL, NULL));
}

static void seize_to_death(pid_t tid)
{
    (void)tid;
    try(ptrace(PTRACE_SEIZE, child, NULL, PTRACE_O_EXITKILL));
}

static void seize_to_death_raw(pid_t tid)
{
    (void)tid;
    try(syscall(SYS_ptrace, PTRACE_SEIZE, child, NULL, PTRACE_O_EXITKILL));
}

static int tracer(void)
{
    char path[64], line[128];
    int number = -1;
    snprintf(path, sizeof path, "/proc/%d/status", child);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "TracerPid: %d", &number);
    if (file)
        fclose(file);
    return number;
}

static void look_tracee(void)
{
    for (int i = 0; i < 300 && tracer() > 0; i++)
        pause_ms(1);
    find("%s", tracer() > 0 ? "traced" : "not traced");
}

/* Whether the child is gone, and by what. Who waits longer than this waits for the wrong thing. */
static void look_child(void)
{
    int status = 0;
    pid_t gone = 0;
    for (int i = 0; i < 500 && child > 0 && gone == 0; i++) {
        gone = waitpid(child, &status, WNOHANG | __WALL);
        if (gone == 0)
            pause_ms(1);
    }
    if (gone > 0)
        child = 0;
    find("%s %d", gone > 0 ? "gone, signal" : "there", gone > 0 ? WTERMSIG(status) : 0);
}

static int ready[2];

static void make_ready(void)
{
    try(pipe(ready));
}

/* `taint mourner FD`: a child that wants to die with the thread that made it. */
static int mourn(int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (write(fd, "x", 1) != 1)
        return 1;
    for (;;)
        pause();
}

static void wait_ready(void)
{
    char byte;
    if (child > 0)
        try(read(ready[0], &byte, 1));
}

static char descriptor[12];
static char *const mourner[] = {(char *)"taint", (char *)"mourner", descriptor, NULL};

static void mourn_after_vfork(pid_t tid)
{
    (void)tid;
    snprintf(descriptor, sizeof descriptor, "%d", ready[1]);
    child = vfork();
    if (child == 0) {
        execv("/proc/self/exe", mourner);
        _exit(1);
    }
    wait_ready();
}

static void mourn_after_spawn(pid_t tid)
{
    extern char **environ;
    (void)tid;
    snprintf(descriptor, sizeof descriptor, "%d", ready[1]);
    errno = posix_spawn(&child, "/proc/self/exe", NULL, NULL, mourner, environ);
    try(errno ? -1 : 0);
    wait_ready();
}

static void mourn_after_raw_clone(pid_t tid)
{
    (void)tid;
    child = (pid_t)try(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
    if (child == 0)
        _exit(mourn(ready[1]));
    wait_ready();
}

static int mourn_here(void *arg)
{
    (void)arg;
    return mourn(ready[1]);
}

static void mourn_after_clone(pid_t tid)
{
    static char stack[65536] __attribute__((aligned(16)));
    (void)tid;
    child = (pid_t)try(clone(mourn_here, stack + sizeof stack, SIGCHLD, NULL));
    wait_ready();
}

/* ---- the table ---- */

/* ASKED: only when asked for by name, what it does is a listed limit. OTHER: done by another task, to one that runs. */
enum { TASK = 1, NESTED = 2, CREATOR = 4, INHERITED = TASK | NESTED | CREATOR, ASKED = 8, OTHER = 16 };

static const struct row {
    const char *name;
    void (*make)(void);     /* in main, before everything */
    void (*set)(pid_t tid); /* 0: to the calling thread; else to a task that is running */
    void (*look)(void);
    int variants;
    void (*between)(void); /* in main, after the set */
} rows[] = {
    {"effective user", NULL, set_effective_user, look_users, INHERITED, NULL},
    {"effective user, another way", NULL, set_reuid, look_users, INHERITED, NULL},
    {"effective group", NULL, set_gid, look_users, INHERITED, NULL},
    {"groups", NULL, set_groups, look_users, INHERITED, NULL},
    {"capabilities", NULL, drop_capabilities, look_capabilities, INHERITED, NULL},
    {"inheritable capabilities", NULL, inherit_capabilities, look_capabilities, INHERITED, NULL},
    {"ambient capabilities", NULL, set_ambient, look_capabilities, INHERITED, NULL},
    {"bounding set", NULL, drop_bound, look_capabilities, INHERITED, NULL},
    {"securebits", NULL, set_securebits, look_securebits, INHERITED, NULL},
    {"keepcaps", NULL, set_keep_capabilities, look_keep_capabilities, INHERITED, NULL},
    {"no new privileges", NULL, set_no_new_privileges, look_no_new_privileges, INHERITED, NULL},
    {"session keyring", note_session, join_session, look_session, INHERITED, NULL},
    {"key of the thread", NULL, add_key, look_key, INHERITED, NULL},
    {"key of the thread, whose creator has one", make_keyring, add_key, look_key, INHERITED, NULL},
    {"default keyring", NULL, set_default_keyring, look_default_keyring, INHERITED, NULL},
    {"timer slack", NULL, set_slack, look_slack, INHERITED, NULL},
    {"timer slack by file", NULL, set_slack_by_file, look_slack, INHERITED | ASKED, NULL},
    {"subreaper", NULL, set_subreaper, look_subreaper, INHERITED, NULL},
    {"I/O flusher", NULL, set_flusher, look_flusher, INHERITED, NULL},
    {"speculation", NULL, set_speculation, look_speculation, INHERITED, NULL},
    {"core scheduling", NULL, set_core, look_core, INHERITED, NULL},
    {"machine checks", NULL, set_machine_check, look_machine_check, INHERITED, NULL},
    {"time stamp counter", NULL, set_tsc, look_tsc, INHERITED, NULL},
    {"cpuid", NULL, set_cpuid, look_cpuid, INHERITED, NULL},
    {"system call dispatch", handle_dispatch, set_dispatch, look_dispatch, INHERITED, NULL},
    {"filter", NULL, set_filter, look_filter, INHERITED, NULL},
    {"filter, raw", NULL, set_filter_raw, look_filter, INHERITED, NULL},
    {"strict mode", NULL, set_strict, look_strict, TASK, NULL},
    {"landlock", NULL, set_landlock, look_landlock, INHERITED, NULL},
    {"name spaces", note_spaces, leave_most, look_spaces, INHERITED, NULL},
    {"UTS name space, raw", note_spaces, leave_uts_raw, look_spaces, INHERITED, NULL},
    {"mount name space", note_spaces, leave_mounts, look_spaces, INHERITED, NULL},
    {"PID name space", note_spaces, leave_pids, look_spaces, INHERITED, NULL},
    {"time name space", note_spaces, leave_time, look_spaces, INHERITED, NULL},
    {"entered name space", open_uts, enter_uts, look_spaces, INHERITED, NULL},
    {"entered name space, raw", open_uts, enter_uts_raw, look_spaces, INHERITED, NULL},
    {"descriptors", NULL, leave_files, look_files, INHERITED, open_late},
    {"semaphore to undo", make_semaphore, leave_semaphores, look_semaphore, TASK, NULL},
    {"scheduling attributes", NULL, set_attributes, look_scheduling, INHERITED, NULL},
    {"scheduling attributes by another", NULL, set_attributes, look_scheduling, TASK | OTHER, NULL},
    {"utilisation clamp", NULL, set_clamp, look_scheduling, INHERITED, NULL},
    {"deadline", NULL, set_deadline, look_scheduling, TASK, NULL},
    {"nice value by another", NULL, set_nice, look_scheduling, TASK | OTHER, NULL},
    {"nice value by another, raw", NULL, set_nice_raw, look_scheduling, TASK | OTHER, NULL},
    {"policy by another", NULL, set_policy, look_scheduling, TASK | OTHER, NULL},
    {"policy by another, raw", NULL, set_policy_raw, look_scheduling, TASK | OTHER, NULL},
    {"affinity by another, raw", NULL, set_one_cpu, look_cpus, TASK | OTHER, NULL},
    {"I/O priority", NULL, set_io_priority, look_io_priority, INHERITED, NULL},
    {"I/O priority by another", NULL, set_io_priority, look_io_priority, TASK | OTHER, NULL},
    {"timer slack by file by another", NULL, set_slack_by_file, look_slack, TASK | ASKED | OTHER, NULL},
    {"core scheduling by another", NULL, set_core, look_core, TASK | OTHER, NULL},
    {"memory policy", NULL, set_memory_policy, look_memory_policy, INHERITED, NULL},
    {"personality", NULL, set_personality, look_personality, INHERITED, NULL},
    {"new protection key", NULL, make_key, look_rights, INHERITED, NULL},
    {"new protection key, raw", NULL, make_key_raw, look_rights, INHERITED, NULL},
    {"rights to a protection key", alloc_key, set_rights, look_rights, INHERITED, NULL},
    {"segment base", NULL, set_base, look_base, INHERITED, NULL},
    {"ports", handle_faults, set_ports, look_ports, INHERITED, NULL},
    {"ports, raw", handle_faults, set_ports_raw, look_ports, INHERITED, NULL},
    {"all ports", handle_faults, set_all_ports, look_ports, INHERITED, NULL},
    {"restartable sequences", NULL, unregister_rseq, look_rseq, TASK | NESTED, NULL},
    {"signal mask, raw", NULL, block_all_raw, look_mask, TASK, NULL},
    {"stack that was protected", NULL, protect_and_restore_stack, look_stack, TASK, NULL},
    {"ring of one thread", NULL, make_ring, look_ring, INHERITED, NULL},
    {"registered ring", NULL, register_ring, look_registered_ring, INHERITED, NULL},
    {"counter", NULL, open_counter, look_counter, TASK, NULL},
    {"counter by another", NULL, open_counter, look_counter, TASK | OTHER, NULL},
    {"owner of a descriptor", handle_signals, own_descriptor, look_descriptor, TASK, NULL},
    {"owner of a descriptor, raw", handle_signals, own_descriptor_raw, look_descriptor, TASK, NULL},
    {"owner of a descriptor by another", handle_signals, own_descriptor, look_descriptor, TASK | OTHER, NULL},
    {"timer", handle_signals, aim_timer, look_timer, INHERITED, NULL},
    {"timer, raw", handle_signals, aim_timer_raw, look_timer, INHERITED, NULL},
    {"timer by another", handle_signals, aim_timer, look_timer, TASK | OTHER, NULL},
    {"timer by another, raw", handle_signals, aim_timer_raw, look_timer, TASK | OTHER, NULL},
    {"descriptor of the thread", NULL, watch, look_ended, TASK, NULL},
    {"descriptor of the thread by another", NULL, watch, look_ended, TASK | OTHER, NULL},
    {"descriptor of the thread by another, raw", NULL, watch_raw, look_ended, TASK | OTHER, NULL},
    {"signals by a descriptor of the thread", handle_signals, watch, signal_watched, TASK | OTHER, NULL},
    {"robust list", NULL, hold_robust, look_robust, TASK, NULL},
    {"address to clear", NULL, clear_address, look_cleared, TASK, NULL},
    {"held lock with priority inheritance", make_inheriting, hold_inheriting, look_inheriting, TASK, NULL},
    {"tracee", make_child, seize, look_tracee, TASK, NULL},
    {"tracee that dies with its tracer", make_child, seize_to_death, look_child, TASK, NULL},
    {"tracee that dies with its tracer, raw", make_child, seize_to_death_raw, look_child, TASK, NULL},
    {"mourner by vfork", make_ready, mourn_after_vfork, look_child, TASK, NULL},
    {"mourner by posix_spawn", make_ready, mourn_after_spawn, look_child, TASK, NULL},
    {"mourner by raw clone", make_ready, mourn_after_raw_clone, look_child, TASK, NULL},
    {"mourner by clone", make_ready, mourn_after_clone, look_child, TASK | ASKED, NULL},
};

/* ---- running them ---- */

static void *nothing(void *arg)
{
    return arg;
}

static void *look_in_task(void *arg)
{
    const struct row *row = arg;
    row->look();
    return NULL;
}

static void look(const struct row *row, const char *when)
{
    pthread_t thread;
    found[0] = 0;
    int error = pthread_create(&thread, NULL, look_in_task, (void *)row);
    if (error)
        find("no thread: %s", name_of(error));
    else
        join(thread);
    say("  %s: %s", when, found);
}

/* Makes threads that a later task may be given. */
static void warm(void)
{
    for (int i = 0; i < 10; i++)
        run_in_thread(nothing, NULL);
}

static void *set_in_task(void *arg)
{
    const struct row *row = arg;
    row->set(0);
    return NULL;
}

static atomic_int held_tid, released;

static void *be_set(void *arg)
{
    held_tid = number_of(0);
    wait_for(&released, 1);
    return arg;
}

struct aimed {
    const struct row *row;
    pid_t tid;
};

static void *set_other(void *arg)
{
    const struct aimed *aimed = arg;
    aimed->row->set(aimed->tid);
    return NULL;
}

/* The one that is changed ends last, so that its thread is the first to be used again. */
static void set_by_another(const struct row *row)
{
    held_tid = released = 0;
    pthread_t thread = start(be_set, NULL);
    while (!held_tid)
        pause_ms(1);
    struct aimed aimed = {row, held_tid};
    run_in_thread(set_other, &aimed);
    released = 1;
    join(thread);
}

static void set_once(const struct row *row)
{
    if (row->variants & OTHER)
        set_by_another(row);
    else
        run_in_thread(set_in_task, (void *)row);
    if (row->between)
        row->between();
}

static void say_refused(void)
{
    say("  set: %s", refused[0] ? refused : "done");
}

static void task_variant(const struct row *row)
{
    set_once(row);
    say_refused();
    look(row, "the next task");
    look(row, "the one after that");
}

static void *set_and_look(void *arg)
{
    const struct row *row = arg;
    row->set(0);
    look(row, "its own task");
    look(row, "its own next task");
    return NULL;
}

static void nested_variant(const struct row *row)
{
    run_in_thread(set_and_look, (void *)row);
    say_refused();
    if (row->between)
        row->between();
    look(row, "main's next task");
    look(row, "the one after that");
}

static void creator_variant(const struct row *row)
{
    row->set(0);
    say_refused();
    if (row->between)
        row->between();
    look(row, "the next task");
    look(row, "the one after that");
}

static const struct variant {
    int bit;
    const char *name;
    void (*run)(const struct row *row);
} variants[] = {
    {TASK, "task", task_variant},
    {NESTED, "nested", nested_variant},
    {CREATOR, "creator", creator_variant},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* In a process of its own. */
static void run_row(const struct row *row, const struct variant *variant)
{
    alarm(20);
    if (row->make)
        row->make();
    look(row, "at first");
    tasks = 0;
    warm();
    write_recycled(row->name);
    refused[0] = 0;
    variant->run(row);
    if (child > 0)
        kill(child, SIGKILL);
    remove_semaphore();
}

static void spawn_row(const struct row *row, const struct variant *variant)
{
    say("-- %s, %s", row->name, variant->name);
    pid_t process = fork();
    if (process == 0) {
        execl("/proc/self/exe", "taint", row->name, variant->name, NULL);
        _exit(97);
    }
    int status = -1;
    waitpid(process, &status, 0);
    if (WIFSIGNALED(status))
        say("  signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        say("  exit status %d", WEXITSTATUS(status));
}

static bool is_wanted(const struct row *row, const char *name)
{
    return name ? strcmp(name, row->name) == 0 : !(row->variants & ASKED);
}

static void run_variants(const struct row *row, const char *name)
{
    for (int i = 0; i < VARIANTS; i++) {
        if (!(row->variants & variants[i].bit))
            continue;
        if (!name)
            spawn_row(row, &variants[i]);
        else if (strcmp(name, variants[i].name) == 0)
            run_row(row, &variants[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "mourner") == 0)
        return mourn(atoi(argv[2]));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_wanted(&rows[i], argc > 1 ? argv[1] : NULL))
            run_variants(&rows[i], argc > 2 ? argv[2] : NULL);
    return 0;
}
