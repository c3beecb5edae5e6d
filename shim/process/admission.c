#include "shim/process/admission.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "policy/admit.h"
#include "shim/atomic.h"
#include "shim/domain/line.h"
#include "shim/domain/place.h"
#include "shim/domain/programs.h"
#include "shim/domain/room.h"
#include "shim/hot.h"
#include "shim/os.h"
#include "shim/process/slice.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/text.h"

enum { MILLISECOND = 1000000, SECOND = 1000 * MILLISECOND };

/* To wait takes that much of a stack at most. */
enum { STACK_NEEDED = 16384 };

/* The run that is going on. A child that runs no fork handlers finds its parent's, by whose number it knows. */
HOT static struct {
    int64_t begun;  /* 0: nothing is to be told of it */
    uint64_t spent; /* of the CPU before, by what this process was until exec, in milliseconds */
    pid_t pid;
    enum kind kind;
    enum admit_verdict wait;
    uint64_t program; /* 0: not found out yet */
    admit_facts facts[KINDS];
    int64_t looked;  /* when that was read */
    uint64_t script; /* see identify_script() */
    int note;        /* that it goes on (programs_enter()), and one more; 0: there is none */
    unsigned siblings;
    bool has_looked; /* at memory, because of those */
} run;

HOT static bool stopped;

/* ---- which program is it? ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Numbers in an argument are often different each time. */
static uint64_t mix_argument(uint64_t hash, const char *text)
{
    enum { MOST = 256 };
    for (int i = 0; i < MOST && text[i]; i++)
        if (!is_digit(text[i]))
            hash = mix(hash, (unsigned char)text[i]);
    return hash;
}

/* Programs that are what their first argument is. */
static bool is_interpreter(const char *path)
{
    static const char names[][8] = {"python", "perl", "ruby", "node", "php", "Rscript", "bash", "dash", "sh"};
    const char *base = text_base(path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *version = text_rest(base, names[i]);
        while (version && (is_digit(*version) || *version == '.'))
            version++;
        if (version && !*version)
            return true;
    }
    return false;
}

/* Programs that are others each time, and do not say which. */
static bool is_anything(const char *path)
{
    static const char names[][8] = {"java", "R", "dotnet", "mono", "git", "busybox"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is_same(text_base(path), names[i]))
            return true;
    return false;
}

/* Which program the arguments make of an interpreter; 0: they make none, or it is no interpreter. At the start: later
 * the program may have changed them. */
static uint64_t identify_script(char *const *argv)
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    if (!path || !is_interpreter(path) || !argv || !argv[0])
        return 0;
    for (argv++; *argv; argv++)
        if (**argv != '-')
            return mix_argument(1, *argv);
    return 0;
}

/* The file that was executed: of a script, the script. An absolute path says enough of it, and costs no system call;
 * but for /proc/self/exe and the like. 0: it cannot be told, as that of fexecve(3), by a descriptor that may be another
 * file's by now. */
static uint64_t identify(void)
{
    struct stat file;
    const char *path = (const char *)getauxval(AT_EXECFN);
    uint64_t hash = run.script;
    if (!path || text_rest(path, "/dev/fd/") || is_anything(path))
        return 0;
    if (*path == '/' && !text_rest(path, "/proc/")) {
        while (*path)
            hash = mix(hash, (unsigned char)*path++);
        return hash;
    }
    if (os_stat(path, &file))
        return 0;
    /* A number is given to new files, too. */
    hash = mix(mix(hash, file.st_dev), file.st_ino);
    return mix(mix(hash, (uint64_t)file.st_ctim.tv_sec), (uint64_t)file.st_ctim.tv_nsec);
}

/* ---- looking up ---- */

static bool is_wanted(void)
{
    return !load_relaxed(&stopped) && settings.admit_ms && !settings.io_bound && !place_is_private();
}

static void note(int fd)
{
    const uint32_t now = (uint32_t)((uint64_t)os_clock(CLOCK_BOOTTIME) / MILLISECOND);
    run.note = programs_enter(fd, run.program, (uint32_t)run.pid, now, &run.siblings) + 1;
}

/* Whether there was anything to look at. */
static bool look_up(bool is_start)
{
    int fd = programs_open();
    if (fd < 0)
        return false;
    if (!run.program)
        run.program = identify();
    programs_find(fd, run.program, run.facts);
    if (is_start && run.program)
        note(fd);
    os_close(fd);
    return true;
}

static uint64_t spent_ms(void)
{
    return (uint64_t)os_clock(CLOCK_PROCESS_CPUTIME_ID) / MILLISECOND;
}

/* A filter that the process was started under may not know the call. */
static bool may_set_slice(void)
{
    return os_call(SYS_prctl, PR_GET_SECCOMP, 0UL, 0UL, 0UL, 0UL) == 0;
}

static bool is_to_wait(enum kind kind)
{
    const struct admit_hints hints = {settings.cpu_bound, settings.io_bound};
    return admit_is_cpu_bound(run.facts[kind], &hints) && os_has_stack(STACK_NEEDED);
}

/* ---- memory ---- */

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static char *put_number(char *at, unsigned number)
{
    char digits[12], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do
        *--digit = (char)('0' + number % 10);
    while (number /= 10);
    return put_text(at, digit);
}

/* "1.2 s for 190 MB of memory, when 120 MB were available" */
static void say_wait(const struct room_result *result)
{
    char text[192], *at = put_number(text, result->waited_ms / 1000);
    at = put_number(put_text(at, "."), result->waited_ms / 100 % 10);
    at = put_number(put_text(at, result->is_guess ? " s for up to " : " s for "), result->need);
    at = put_number(put_text(at, " MB of memory, when "), result->available);
    at = put_text(at, result->is_guess ? " MB were available, as another run of it goes on" : " MB were available");
    *put_text(at, result->verdict == ADMIT_ANYWAY ? "; it starts all the same" : "") = '\0';
    report_info("it has waited, at its start, for ", text);
}

/* Whether it had to wait. */
static bool wait_for_memory(void)
{
    const struct room_request request = {run.program, run.facts[KIND_PROGRAM], run.siblings, run.note != 0};
    struct room_result result;
    if (!admit_looks_at_memory(admit_need(request.facts), request.siblings) || !os_has_stack(2 * STACK_NEEDED))
        return false;
    run.has_looked = true;
    room_wait(&request, &result);
    if (result.waited_ms)
        say_wait(&result);
    return result.waited_ms;
}

/* The most memory of its own that the program had at a time, in MiB, or a little more. The kernel counts what it was
 * before exec, too (getrusage(2)), so a file is read where that is much. */
static uint64_t number_behind(const char *text, const char *name)
{
    const char *at = NULL;
    uint64_t number = 0;
    for (; *text && !at; text++)
        at = text_rest(text, name);
    for (at = at ? at : ""; *at == ' ' || *at == '\t'; at++)
        ;
    for (; is_digit(*at); at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

static unsigned peak(void)
{
    enum { KIB = 1024 };
    struct rusage usage = {0};
    char text[4096];
    os_call(SYS_getrusage, RUSAGE_SELF, &usage);
    if (!run.has_looked && usage.ru_maxrss < ADMIT_MUCH * KIB)
        return 0;
    if (!os_has_stack(2 * sizeof text) || !os_read_file("/proc/self/status", text, sizeof text))
        return 0;
    uint64_t most = number_behind(text, "\nVmHWM:"), files = number_behind(text, "\nRssFile:");
    return most > files ? (unsigned)((most - files) / KIB) + 1 : 1;
}

/* ---- starting ---- */

/* A program begins, or a child as a part of one. */
static void begin(enum kind kind)
{
    run.kind = kind;
    run.wait = kind == KIND_PROGRAM && wait_for_memory() ? ADMIT_ANYWAY : ADMIT_AT_ONCE;
    bool is_worker = false;
    if (is_to_wait(kind)) {
        /* Forked children wait for each other asleep, if at all: who computes takes the work from who is held back. */
        uint32_t alike = kind == KIND_PROGRAM ? (uint32_t)(run.program >> 32 ^ run.program) : 0;
        is_worker = kind == KIND_CHILD && may_set_slice();
        if (is_worker)
            slice_lengthen();
        enum admit_verdict verdict = line_wait(alike, run.facts[kind]);
        run.wait = verdict == ADMIT_AT_ONCE ? run.wait : verdict;
    }
    if (!is_worker)
        slice_restore();
    run.begun = os_clock(CLOCK_MONOTONIC); /* the wait is none of its own */
}

void admission_start(char *const *argv)
{
    if (!is_wanted())
        return;
    run.pid = os_pid();
    run.script = identify_script(argv);
    /* Where nothing was ever learnt, nobody has long slices to leave to others; and the CPU's clock is not asked. */
    if (look_up(true)) {
        if (settings.cpu_bound)
            slice_start();
        run.spent = spent_ms();
    }
    begin(KIND_PROGRAM);
    run.looked = run.begun;
}

/* The forked children of one program are not alike: those of a server compute or wait as they are asked to. So it is
 * for the user to say that they compute. */
static bool is_pool(void)
{
    return settings.cpu_bound;
}

void admission_before_fork(void)
{
    int64_t now;
    if (!is_pool() || !run.begun || load_relaxed(&stopped))
        return;
    if ((now = os_clock(CLOCK_MONOTONIC)) - run.looked < SECOND)
        return;
    run.looked = now;
    look_up(false);
}

void admission_in_child(void)
{
    if (!is_pool() || !run.begun || !is_wanted())
        return; /* the run goes on being its parent's, and the page is not touched */
    run.pid = os_pid();
    run.spent = 0;
    begin(KIND_CHILD);
}

void admission_before_spawn(void)
{
    if (load_relaxed(&stopped))
        return;
    slice_restore();
}

/* ---- ending ---- */

/* How long the main thread has been ready to run and was not run, in nanoseconds (Documentation/scheduler/sched-stats).
 */
static uint64_t waited_for_cpu(void)
{
    char text[96];
    if (!os_read_file("/proc/self/schedstat", text, sizeof text))
        return 0;
    const char *at = strchr(text, ' ');
    uint64_t waited = 0;
    for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
        waited = waited * 10 + (uint64_t)(*at - '0');
    return waited;
}

/* Of a short run the CPU is not even asked for. */
static struct admit_run measure(void)
{
    struct admit_run result = {.wall = (uint64_t)(os_clock(CLOCK_MONOTONIC) - run.begun) / MILLISECOND,
                               .wait = run.wait};
    bool is_short = result.wall < ADMIT_LEAST_CPU_MS;
    if (run.kind == KIND_PROGRAM && (!is_short || run.has_looked))
        result.peak = peak();
    if (is_short)
        return result;
    const uint64_t spent = spent_ms();
    result.busy = result.cpu = spent > run.spent ? spent - run.spent : 0;
    /* Nor is it known how long that one has waited. */
    if (result.cpu >= ADMIT_LEAST_CPU_MS && result.busy < result.wall && run.spent < ADMIT_LEAST_CPU_MS)
        result.busy += waited_for_cpu() / MILLISECOND;
    return result;
}

/* Only programs of which something is known, or is worth to be known: the others would fill the file. And only what is
 * not known yet: a short program of which it is known that it needs little memory has nothing to tell. */
static bool is_worth_it(const struct admit_run *result)
{
    const admit_facts facts = run.facts[run.kind];
    return facts ? admit_learn(facts, result) != facts
                 : settings.cpu_bound || admit_computes(result) || run.has_looked || result->peak > ADMIT_MUCH;
}

/* A forked child that becomes another program is none that computes. */
static const struct admit_run no_run = {.wall = 1000, .wait = ADMIT_AT_ONCE};

void admission_end(bool becomes_another)
{
    if (becomes_another)
        admission_before_spawn();
    if (!run.begun || load_relaxed(&stopped) || run.pid != os_pid())
        return;
    struct admit_run result = becomes_another && run.kind == KIND_CHILD ? no_run : measure();
    run.begun = 0; /* exec may fail, and the program go on: that is no run of which anything is known */
    line_leave();
    room_leave();
    if (becomes_another && run.note)
        programs_quit(run.program, (uint32_t)run.pid, run.note - 1);
    if (is_worth_it(&result)) {
        if (!run.program)
            run.program = identify();
        if (run.program)
            programs_learn(run.program, run.kind, &result);
    }
}

void admission_stop(void)
{
    store_relaxed(&stopped, true); /* by the thread that restricts the process, before it does */
    line_leave();
    room_leave();
}

__attribute__((destructor)) static void at_exit(void)
{
    admission_end(false);
}
