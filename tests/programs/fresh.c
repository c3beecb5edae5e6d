/* A new thread finds X fresh: each row sets X in a task, and looks in a later one. What the looks say must be what they
 * say where each task has a thread of its own. With names as arguments, only those rows.
 *
 * `recycled` (see posix_cases.h) tells for each row how many kernel threads its tasks had. */
#include "posix_cases.h"

#include <dlfcn.h>
#include <fenv.h>
#include <immintrin.h>
#include <libgen.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- where the looks write ---- */

static char found[512];

__attribute__((format(printf, 1, 2))) static void find(const char *format, ...)
{
    size_t length = strlen(found);
    va_list list;
    va_start(list, format);
    vsnprintf(found + length, sizeof found - length, format, list);
    va_end(list);
}

/* ---- thread-local data: here, and in libraries (fresh_lib.c) ---- */

static int pointed_at;
static __thread int seven = 7;
static __thread int *pointer = &pointed_at;
static __thread char zeros[3000];
static __thread _Alignas(128) char aligned[4] = "abc";

static void set_tls(void)
{
    seven++;
    pointer = NULL;
    memset(zeros, 1, sizeof zeros);
    memset(aligned, 'x', 3);
}

static void look_tls(void)
{
    int dirt = 0;
    for (size_t i = 0; i < sizeof zeros; i++)
        dirt += zeros[i] != 0;
    find("seven %d, pointer %d, dirt %d, aligned %s at %d", seven, pointer == &pointed_at, dirt, aligned,
         (int)((uintptr_t)aligned % 128));
}

extern void fresh_lib_set(void);
extern int fresh_lib_look(void);

static void look_start_library(void)
{
    find("%d", fresh_lib_look());
}

static void (*late_set)(void);
static int (*late_look)(void);

static void use(void *library)
{
    if (library) {
        *(void **)&late_set = dlsym(library, "fresh_lib_set");
        *(void **)&late_look = dlsym(library, "fresh_lib_look");
    }
    if (!late_set || !late_look) {
        say("library: %s", dlerror());
        _exit(1);
    }
}

static const char *beside(const char *name)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 100);
    path[length > 0 ? length : 0] = 0;
    dirname(path);
    strcat(path, "/");
    return strcat(path, name);
}

static void open_late(void)
{
    use(dlopen(beside("libfresh_late.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_late_ie(void)
{
    use(dlopen(beside("libfresh_late_ie.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_late_gnu2(void)
{
    use(dlopen(beside("libfresh_late_gnu2.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_namespace(void)
{
    use(dlmopen(LM_ID_NEWLM, beside("libfresh_late.so"), RTLD_NOW | RTLD_LOCAL));
}

static void set_late(void)
{
    late_set();
}

static void look_late(void)
{
    find("%d", late_look());
}

/* ---- keys ---- */

static pthread_key_t plain_key, dtor_key, free_key, unseen_key;
static atomic_int destroyed;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

static void make_keys(void)
{
    pthread_key_create(&plain_key, NULL);
    pthread_key_create(&dtor_key, destroy);
    pthread_key_create(&free_key, free);
}

static void set_keys(void)
{
    pthread_setspecific(plain_key, &seven);
    pthread_setspecific(dtor_key, &seven);
    pthread_setspecific(free_key, malloc(10));
}

static void look_keys(void)
{
    find("%d %d %d, destroyed %d", pthread_getspecific(plain_key) != NULL, pthread_getspecific(dtor_key) != NULL,
         pthread_getspecific(free_key) != NULL, destroyed);
}

/* By a function that no preloaded library stands in for. */
static void make_unseen_key(void)
{
    int (*create)(pthread_key_t *, void (*)(void *));
    *(void **)&create = dlsym(dlopen("libc.so.6", RTLD_NOW), "pthread_key_create");
    destroyed = 0;
    if (!create || create(&unseen_key, destroy))
        say("no unseen key");
}

static void set_unseen_key(void)
{
    pthread_setspecific(unseen_key, &seven);
}

static void look_unseen_key(void)
{
    find("%d, destroyed %d", pthread_getspecific(unseen_key) != NULL, destroyed);
}

/* ---- what libc keeps for a thread ---- */

static void set_errno(void)
{
    errno = 44;
}

static void look_errno(void)
{
    find("%d", errno);
}

static void set_dlerror(void)
{
    dlopen("/nonexistent.so", RTLD_NOW);
}

static void look_dlerror(void)
{
    const char *text = dlerror();
    find("%s", text ? text : "none");
}

static void set_h_errno(void)
{
    h_errno = NO_RECOVERY;
}

static void look_h_errno(void)
{
    find("%d", h_errno);
}

static void set_resolver(void)
{
    res_init();
    _res.retrans = 77;
    _res.options |= RES_DEBUG;
}

static void look_resolver(void)
{
    find("initialised %d, debug %d", (_res.options & RES_INIT) != 0, (_res.options & RES_DEBUG) != 0);
}

static void set_locale(void)
{
    static locale_t locale;
    if (!locale)
        locale = newlocale(LC_ALL_MASK, "C", NULL);
    uselocale(locale);
}

static void look_locale(void)
{
    find("%d", uselocale(NULL) == LC_GLOBAL_LOCALE);
}

static void set_cancel(void)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
}

static void look_cancel(void)
{
    int state, type;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    find("%d %d", state, type);
}

/* ---- signals ---- */

static void set_mask(void)
{
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static void look_mask(void)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&set, i) == 1)
            find(" %d", i);
    find(".");
}

static void set_altstack(void)
{
    static char memory[65536];
    sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = sizeof memory}, NULL);
}

static void set_altstack_raw(void)
{
    static char memory[65536];
    syscall(SYS_sigaltstack, &(stack_t){.ss_sp = memory, .ss_size = sizeof memory}, NULL);
}

static void look_altstack(void)
{
    stack_t stack;
    sigaltstack(NULL, &stack);
    find("flags %d, size %d", stack.ss_flags, (int)stack.ss_size);
}

/* ---- the floating-point environment ---- */

static void set_rounding(void)
{
    fesetround(FE_UPWARD);
}

static void look_rounding(void)
{
    volatile double one = 1, three = 3;
    find("%d %a", fegetround(), one / three);
}

static void set_controls(void)
{
    unsigned short x87 = 0x027f; /* double precision */
    _mm_setcsr(_mm_getcsr() | 0x8040);
    __asm__ volatile("fldcw %0" : : "m"(x87));
}

static void look_controls(void)
{
    unsigned short x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    find("%x %x", _mm_getcsr(), x87);
}

static void set_exceptions(void)
{
    volatile long double zero = 0, one = 1, x87 = one / zero;
    volatile double small = 1e-300, sse = small * small;
    (void)x87;
    (void)sse;
}

static void look_exceptions(void)
{
    unsigned short status;
    __asm__ volatile("fnstsw %0" : "=m"(status));
    find("%x, x87 %x, mxcsr %x", fetestexcept(FE_ALL_EXCEPT), status & 0x3f, _mm_getcsr() & 0x3f);
}

/* ---- what the kernel keeps for a thread ---- */

static void set_name(void)
{
    pthread_setname_np(pthread_self(), "somebody else");
}

static void set_name_by_prctl(void)
{
    prctl(PR_SET_NAME, "yet another");
}

static void set_name_by_file(void)
{
    FILE *file = fopen("/proc/thread-self/comm", "w");
    fprintf(file, "by file");
    fclose(file);
}

static void look_name(void)
{
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof name);
    find("%s", name);
}

static void set_slack(void)
{
    prctl(PR_SET_TIMERSLACK, 1234567);
}

static void look_slack(void)
{
    find("%d", prctl(PR_GET_TIMERSLACK));
}

static void set_affinity(void)
{
    cpu_set_t set, one;
    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &set))
            CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void set_affinity_by_pthread(void)
{
    cpu_set_t set, one;
    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &set))
            CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

static void set_affinity_raw(void)
{
    unsigned long one[16] = {0}, set[16] = {0};
    syscall(SYS_sched_getaffinity, 0, sizeof set, set);
    one[0] = set[0] & -set[0];
    syscall(SYS_sched_setaffinity, syscall(SYS_gettid), sizeof one, one);
}

static void look_affinity(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    find("%d CPUs", CPU_COUNT(&set));
}

static void set_policy(void)
{
    sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

static void set_policy_by_pthread(void)
{
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &(struct sched_param){0});
}

static void look_policy(void)
{
    struct sched_param param;
    int policy = -1;
    pthread_getschedparam(pthread_self(), &policy, &param);
    find("%d %d", policy, sched_getscheduler(0));
}

static void set_nice(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7);
}

static void set_nice_by_nice(void)
{
    nice(3);
}

static void look_nice(void)
{
    find("%d", getpriority(PRIO_PROCESS, 0));
}

static void set_ioprio(void)
{
    syscall(SYS_ioprio_set, 1, 0, 3 << 13);
}

static void look_ioprio(void)
{
    find("%ld", syscall(SYS_ioprio_get, 1, 0));
}

static void set_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

static void look_privileges(void)
{
    find("no_new_privs %d, keepcaps %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
}

static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static const struct sock_fprog filter = {1, allow};

static void set_seccomp(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void set_seccomp_raw(void)
{
    syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

static void look_seccomp(void)
{
    find("%d", prctl(PR_GET_SECCOMP));
}

static void set_death_signal(void)
{
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
}

static void look_death_signal(void)
{
    int signal = -1;
    prctl(PR_GET_PDEATHSIG, &signal);
    find("%d", signal);
}

static void set_memory_policy(void)
{
    unsigned long nodes = 1;
    syscall(SYS_set_mempolicy, 1, &nodes, 8 * sizeof nodes);
}

static void look_memory_policy(void)
{
    int mode = -1;
    syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
    find("%d", mode);
}

static void set_personality(void)
{
    personality(ADDR_NO_RANDOMIZE);
}

static void look_personality(void)
{
    find("%x", personality(0xffffffff));
}

static void set_files(void)
{
    unshare(CLONE_FS);
    chdir("/");
    umask(0);
}

static void look_files(void)
{
    char path[PATH_MAX];
    mode_t mask = umask(022);
    umask(mask);
    find("%d %o", strcmp(getcwd(path, sizeof path), "/") == 0, mask);
}

static void set_user(void)
{
    setfsuid(1234);
    setfsgid(1234);
}

static void set_user_raw(void)
{
    syscall(SYS_setfsuid, 1234);
    syscall(SYS_setresgid, 1234, -1, -1);
}

static void look_user(void)
{
    FILE *file = fopen("/proc/thread-self/status", "r");
    char line[128];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0)
            find("%.*s ", (int)strcspn(line, "\n"), line);
    if (file)
        fclose(file);
}

static void set_base(void)
{
    syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0x12345000UL);
}

static void look_base(void)
{
    unsigned long base = 0;
    syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &base);
    find("%lx", base);
}

static void set_keyring(void)
{
    syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -1 /* the thread's */, 1 /* make one */);
}

static void look_keyring(void)
{
    find("%d", syscall(SYS_keyctl, 0, -1, 0) > 0);
}

/* ---- locks ---- */

static pthread_mutex_t robust;

static void make_robust(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
}

static void make_robust_pi(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&robust, &attr);
}

static void set_robust(void)
{
    if (pthread_mutex_lock(&robust) == EOWNERDEAD)
        pthread_mutex_consistent(&robust);
}

static void look_robust(void)
{
    int error = pthread_mutex_lock(&robust);
    find("%s", name_of(error));
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
}

/* ---- clocks: 100 ms are used, and less than 50 found ---- */

static long cpu_ms(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void burn(long ms)
{
    long begin = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < begin + ms)
        for (volatile int i = 0; i < 10000; i++)
            ;
}

static int heavy; /* the thousandth time need not be as heavy */

static void set_clocks(void)
{
    burn(heavy ? 100 : 1);
}

static void look_clocks(void)
{
    clockid_t own;
    pthread_getcpuclockid(pthread_self(), &own);
    find("%s %s", cpu_ms(CLOCK_THREAD_CPUTIME_ID) < 50 ? "new" : "used", cpu_ms(own) < 50 ? "new" : "used");
    burn(60);
    find(", %s %s", cpu_ms(CLOCK_THREAD_CPUTIME_ID) < 59 ? "stands" : "runs", cpu_ms(own) < 59 ? "stands" : "runs");
}

static void set_system_time(void)
{
    long begin = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < begin + (heavy ? 200 : 1)) {
        void *memory = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, 4 << 20, MADV_POPULATE_WRITE);
        munmap(memory, 4 << 20);
    }
}

static void look_usage(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    long ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
              (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    find("%s, faults %s, switches %s", ms < 50 ? "new" : "used", usage.ru_minflt < 1000 ? "few" : "many",
         usage.ru_nvcsw < 200 ? "few" : "many");
}

static void set_usage(void)
{
    burn(heavy ? 100 : 1);
    enum { SIZE = 16 << 20 };
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; heavy && i < SIZE; i += 4096)
        memory[i] = 1;
    munmap(memory, SIZE);
    for (int i = 0; heavy && i < 300; i++)
        usleep(1);
}

/* ---- timers that are left behind ---- */

static atomic_int ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

static void handle_ticks(void)
{
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
}

static void set_cpu_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    if (heavy && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
        timer_settime(timer, 0, &(struct itimerspec){{0, 5000000}, {0, 20000000}}, NULL);
}

static void look_cpu_timer(void)
{
    ticks = 0;
    burn(80);
    find("%s", ticks ? "ticks" : "none");
}

static void set_thread_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (heavy && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &(struct itimerspec){{0, 5000000}, {0, 5000000}}, NULL);
}

static void look_thread_timer(void)
{
    pause_ms(5);
    ticks = 0;
    pause_ms(40);
    find("%s", ticks ? "ticks" : "none");
}

/* ---- the table ---- */

enum { WHOLE, SHORT, LATE };

static const struct row {
    const char *name;
    void (*make)(void); /* in main, before the first set */
    void (*set)(void);
    void (*look)(void);
    int kind;   /* SHORT: few tasks; LATE: the first look is after the first set */
    bool alone; /* only when asked for by name: it has consequences for the whole process */
} rows[] = {
    {"program's thread-local data", NULL, set_tls, look_tls, WHOLE, false},
    {"start-up library's thread-local data", NULL, fresh_lib_set, look_start_library, WHOLE, false},
    {"late library's thread-local data", open_late, set_late, look_late, WHOLE, false},
    {"late library's initial-exec data", open_late_ie, set_late, look_late, WHOLE, false},
    {"late library's gnu2 data", open_late_gnu2, set_late, look_late, WHOLE, false},
    {"keys", make_keys, set_keys, look_keys, WHOLE, false},
    {"errno", NULL, set_errno, look_errno, WHOLE, false},
    {"dlerror", NULL, set_dlerror, look_dlerror, WHOLE, false},
    {"h_errno", NULL, set_h_errno, look_h_errno, WHOLE, false},
    {"resolver", NULL, set_resolver, look_resolver, WHOLE, false},
    {"locale", NULL, set_locale, look_locale, WHOLE, false},
    {"cancellation", NULL, set_cancel, look_cancel, WHOLE, false},
    {"signal mask", NULL, set_mask, look_mask, WHOLE, false},
    {"alternate stack", NULL, set_altstack, look_altstack, WHOLE, false},
    {"alternate stack, raw", NULL, set_altstack_raw, look_altstack, WHOLE, false},
    {"rounding", NULL, set_rounding, look_rounding, WHOLE, false},
    {"floating-point controls", NULL, set_controls, look_controls, WHOLE, false},
    {"floating-point exceptions", NULL, set_exceptions, look_exceptions, WHOLE, false},
    {"name", NULL, set_name, look_name, WHOLE, false},
    {"name by prctl", NULL, set_name_by_prctl, look_name, WHOLE, false},
    {"name by file", NULL, set_name_by_file, look_name, SHORT, true},
    {"timer slack", NULL, set_slack, look_slack, WHOLE, false},
    {"affinity", NULL, set_affinity, look_affinity, WHOLE, false},
    {"affinity by pthread", NULL, set_affinity_by_pthread, look_affinity, WHOLE, false},
    {"affinity, raw", NULL, set_affinity_raw, look_affinity, WHOLE, false},
    {"policy", NULL, set_policy, look_policy, WHOLE, false},
    {"policy by pthread", NULL, set_policy_by_pthread, look_policy, WHOLE, false},
    {"nice value", NULL, set_nice, look_nice, WHOLE, false},
    {"nice value by nice", NULL, set_nice_by_nice, look_nice, WHOLE, false},
    {"I/O priority", NULL, set_ioprio, look_ioprio, WHOLE, false},
    {"privileges", NULL, set_privileges, look_privileges, WHOLE, false},
    {"seccomp", NULL, set_seccomp, look_seccomp, SHORT, true},
    {"seccomp, raw", NULL, set_seccomp_raw, look_seccomp, SHORT, true},
    {"parent-death signal", NULL, set_death_signal, look_death_signal, WHOLE, false},
    {"memory policy", NULL, set_memory_policy, look_memory_policy, WHOLE, false},
    {"personality", NULL, set_personality, look_personality, WHOLE, false},
    {"working directory and umask", NULL, set_files, look_files, WHOLE, false},
    {"file-system user", NULL, set_user, look_user, WHOLE, false},
    {"user, raw", NULL, set_user_raw, look_user, WHOLE, false},
    {"segment base", NULL, set_base, look_base, WHOLE, false},
    {"thread keyring", NULL, set_keyring, look_keyring, SHORT, false},
    {"robust mutex", make_robust, set_robust, look_robust, WHOLE, false},
    {"robust mutex with priority inheritance", make_robust_pi, set_robust, look_robust, WHOLE, false},
    {"CPU clocks", NULL, set_clocks, look_clocks, SHORT, false},
    {"usage", NULL, set_usage, look_usage, SHORT, false},
    {"CPU timer", handle_ticks, set_cpu_timer, look_cpu_timer, SHORT, false},
    {"timer for a thread", handle_ticks, set_thread_timer, look_thread_timer, SHORT, false},
    {"key created out of sight", make_unseen_key, set_unseen_key, look_unseen_key, WHOLE, false},
    {"system time, asked for the first time", NULL, set_system_time, look_usage, LATE, true},
    {"data of a library in a namespace", open_namespace, set_late, look_late, WHOLE, true},
};

static void *task(void *arg)
{
    void (*run)(void);
    memcpy(&run, arg, sizeof run);
    run();
    return NULL;
}

static void in_task(void (*run)(void))
{
    run_in_thread(task, &run);
}

static void look(const struct row *row, const char *when)
{
    found[0] = 0;
    in_task(row->look);
    say("%s, %s: %s", row->name, when, found);
}

static void run_row(const struct row *row)
{
    tasks = 0;
    if (row->make)
        row->make();
    if (row->kind != LATE)
        look(row, "first task");
    heavy = 1;
    in_task(row->set);
    pause_ms(2);
    look(row, "second task");
    heavy = 0;
    for (int i = 0; i < (row->kind == WHOLE ? 997 : 20); i++)
        in_task(row->set);
    pause_ms(2);
    look(row, row->kind == WHOLE ? "thousandth task" : "later");
    write_recycled(row->name);
}

/* ---- what is inherited comes from the creator ---- */

static void look_inherited(void)
{
    look_name();
    find("; mask");
    look_mask();
    find(" rounding ");
    look_rounding();
    find("; controls ");
    look_controls();
    find("; exceptions ");
    look_exceptions();
    find("; ");
    look_affinity();
    find("; nice ");
    look_nice();
    find("; policy ");
    look_policy();
    find("; slack ");
    look_slack();
}

static void look_and_say(const char *when)
{
    for (int i = 0; i < 3; i++) {
        found[0] = 0;
        in_task(look_inherited);
        say("%s: %s", when, found);
    }
}

static void change_one_by_one(void)
{
    sigset_t set;
    look_and_say("nothing changed");
    pthread_setname_np(pthread_self(), "creator");
    look_and_say("+ name");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    look_and_say("+ mask");
    fesetround(FE_DOWNWARD);
    look_and_say("+ rounding");
    set_controls();
    look_and_say("+ controls");
    set_exceptions();
    look_and_say("+ exceptions");
    set_affinity();
    look_and_say("+ affinity");
    set_nice();
    look_and_say("+ nice");
    set_policy();
    look_and_say("+ policy");
    set_slack();
    look_and_say("+ slack");
}

static void *creator(void *arg)
{
    change_one_by_one();
    return arg;
}

static void inherited(void)
{
    tasks = 0;
    run_in_thread(creator, NULL);
    run_in_thread(creator, NULL);
    look_and_say("main's");
    write_recycled("inherited");
    change_one_by_one();
}

int main(int argc, char **argv)
{
    alarm(100);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (argc < 2 ? !rows[i].alone : strcmp(argv[1], rows[i].name) == 0)
            run_row(&rows[i]);
    if (argc < 2 || strcmp(argv[1], "inherited") == 0)
        inherited();
    return 0;
}
