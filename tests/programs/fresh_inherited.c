/* What a new thread takes over from its creator, and a used one must not keep from its last task: the signal mask (the
 * alternate stack, which starts empty, stands beside it), the floating-point environment, name and scheduling. */
#include <fenv.h>
#include <immintrin.h>
#include <sched.h>
#include <sys/resource.h>

#include "fresh.h"
#include "posix_cases.h"

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

static void set_altstack_bsd(void)
{
    static char memory[65536];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    sigstack(&(struct sigstack){.ss_sp = memory + sizeof memory}, NULL);
#pragma GCC diagnostic pop
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

/* ---- name and scheduling ---- */

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

const struct row inherited_rows[] = {
    {"signal mask", NULL, set_mask, look_mask, WHOLE, false},
    {"alternate stack", NULL, set_altstack, look_altstack, WHOLE, false},
    {"alternate stack, raw", NULL, set_altstack_raw, look_altstack, WHOLE, false},
    {"alternate stack of BSD", NULL, set_altstack_bsd, look_altstack, WHOLE, false},
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
    {0},
};

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

void look_and_say(const char *when)
{
    for (int i = 0; i < 3; i++)
        say("%s: %s", when, found_in_task(look_inherited));
}

void change_one_by_one(void)
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
