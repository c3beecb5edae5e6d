#include "shim/report/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/place.h"
#include "shim/hot.h"
#include "shim/object.h"
#include "shim/os.h"
#include "shim/report/line.h"
#include "shim/report/output.h"
#include "shim/text.h"

HOT static enum log level = LOG_OFF;
HOT static enum log_format format;

/* ---- counts ---- */

struct kind {
    uint64_t count; /* how often it happened */
    uint64_t said;  /* the count that the last written line gave; never above count */
    const void *caller;
};

/* Whole pages of their own. The kernel hands them to every fork child zeroed (MADV_WIPEONFORK), however it was forked,
 * and all-zero is the state at start: the child starts to count afresh. A vfork child shares them with its parent. */
enum { PAGE = 4096 };
static union {
    struct {
        pid_t owner; /* whose counts these are; 0 until the first */
        struct kind kinds[CALLS][REASONS];
    };
    char pages[((CALLS * REASONS + 1) * sizeof(struct kind) / PAGE + 1) * PAGE];
} counts __attribute__((aligned(PAGE)));

/* Something was counted, here or in a process that this one was forked from. Where not, the pages above are not
 * touched, and need not be wiped yet. */
HOT static bool was_counted;

/* Set before totals are said for the last time. Sequentially consistent, with the counting: who counts either sees it,
 * or is seen by the totals. */
HOT static bool ending;

HOT static bool stopped;

/* Whether the count-th of a kind is said: the first, the tenth, the hundredth ... While stderr has taken nothing of
 * this kind yet, the powers of two are tried as well; after the totals they are all that is tried. */
static bool is_due(uint64_t count, uint64_t said)
{
    if (level == LOG_DEBUG)
        return true;
    if (__atomic_load_n(&ending, __ATOMIC_SEQ_CST))
        return count >= 2 * said;
    if (!said && !(count & (count - 1)))
        return true;
    while (count % 10 == 0)
        count /= 10;
    return count == 1;
}

/* Takes the right to say `count`; `*before` is what was said last. Relaxed: it orders nothing but itself. */
static bool claim(struct kind *kind, uint64_t count, uint64_t *before)
{
    *before = load_relaxed(&kind->said);
    while (*before < count)
        if (__atomic_compare_exchange_n(&kind->said, before, count, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    return false;
}

/* It could not be said after all: unless somebody has said more since, it is owed again. */
static void give_back(struct kind *kind, uint64_t count, uint64_t before)
{
    __atomic_compare_exchange_n(&kind->said, &count, before, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* ---- whose code was it? ---- */

/* Where a code address is. `name` gets the object's, cut to its size: the loader may unload the object. */
static uintptr_t locate(const void *address, char *name, size_t size)
{
    struct object found;
    const char *object = "unknown";
    uintptr_t offset = (uintptr_t)address;
    char path[256] = "";
    if (object_find(address, &found)) {
        offset -= found.base;
        object = text_base(found.name);
        if (!*object) { /* the program itself, which the loader gives no name */
            ssize_t length = readlink("/proc/self/exe", path, sizeof path);
            bool whole = length > 0 && length < (ssize_t)sizeof path;
            path[whole ? length : 0] = '\0';
            object = whole ? text_base(path) : "program";
        }
    }
    size_t length = strnlen(object, size - 1);
    memcpy(name, object, length);
    name[length] = '\0';
    return offset;
}

/* ---- saying it ---- */

/* A handler on a small alternate stack has no room for a line: then it is only counted. */
enum { STACK_NEEDED = 3328 };

static bool has_stack(void)
{
    return os_has_stack(STACK_NEEDED);
}

static __attribute__((noinline)) bool say(struct downgrade *d, const void *caller, pid_t writer)
{
    char name[120];
    struct line line;
    d->offset = locate(caller, name, sizeof name);
    d->object = name;
    line_downgrade(&line, format, d);
    /* A handler may have forked while we were here: the child must not say its parent's line. */
    return writer == os_pid() && output_write(line.text, line.length);
}

static void say_kind(enum symbol call, enum reason reason, struct kind *kind, uint64_t count, const char *detail)
{
    uint64_t before;
    int saved = errno;
    struct downgrade d = {
        .pid = os_pid(), .call = switchboard_name(call), .reason = reason, .count = count, .detail = detail};
    if (!load_relaxed(&stopped) && has_stack() && claim(kind, count, &before) &&
        !say(&d, load_relaxed(&kind->caller), d.pid) && d.pid == os_pid())
        give_back(kind, count, before);
    errno = saved;
}

static void prepare_counts(void)
{
    int saved = errno;
    madvise(&counts, sizeof counts, MADV_WIPEONFORK);
    errno = saved;
    store_relaxed(&was_counted, true); /* several may come here at once, each before it counts */
}

void report_downgrade(enum symbol call, enum reason reason, const void *caller)
{
    report_downgrade_for(call, reason, caller, NULL);
}

void report_downgrade_for(enum symbol call, enum reason reason, const void *caller, const char *detail)
{
    struct kind *kind = &counts.kinds[call][reason];
    if (level == LOG_OFF || load_relaxed(&stopped))
        return;
    if (!load_relaxed(&was_counted))
        prepare_counts();
    if (!load_relaxed(&counts.owner))
        store_relaxed(&counts.owner, os_pid());
    uint64_t count = __atomic_add_fetch(&kind->count, 1, __ATOMIC_SEQ_CST); /* see `ending` */
    place_show_downgrade();
    store_relaxed(&kind->caller, caller);
    if (is_due(count, load_relaxed(&kind->said)))
        say_kind(call, reason, kind, count, detail);
}

bool report_for(pid_t pid, enum symbol call, enum reason reason, const void *caller, const char *detail, uint64_t count)
{
    if (level == LOG_OFF || load_relaxed(&stopped))
        return true;
    if (!has_stack())
        return false;
    int saved = errno;
    struct downgrade d = {
        .pid = pid, .call = switchboard_name(call), .reason = reason, .count = count, .detail = detail};
    bool is_said = say(&d, caller, os_pid());
    errno = saved;
    return is_said;
}

void report_process(enum reason reason, const void *culprit)
{
    /* The process line is the first of its kind and the last: it needs no count. */
    struct downgrade d = {.pid = os_pid(), .call = "process", .reason = reason, .count = 1};
    if (level != LOG_OFF)
        say(&d, culprit ? culprit : (const void *)getauxval(AT_ENTRY), d.pid);
}

static void say_line(const struct line *line)
{
    if (!load_relaxed(&stopped))
        output_write(line->text, line->length);
}

void report_complaint(const struct config_complaint *complaint)
{
    struct line line;
    if (level == LOG_OFF)
        return;
    line_complaint(&line, format, os_pid(), complaint);
    say_line(&line);
}

static const char *const limits[] = {"affinity", "cgroup v1 quota", "cgroup v2 quota"};

void report_mode(enum mode mode, const struct capacity *capacity)
{
    struct line line;
    if (level < LOG_INFO)
        return;
    line_mode(&line, format, os_pid(), mode, UNIRUN_VERSION, capacity->cpus, limits[capacity->limit]);
    say_line(&line);
}

void report_runtime(const char *path, unsigned cpus, unsigned of, enum capacity_limit limit)
{
    struct line line;
    int saved = errno;
    if (level >= LOG_INFO && has_stack()) {
        line_runtime(&line, format, os_pid(), *path ? text_base(path) : "the program", cpus, of, limits[limit]);
        say_line(&line);
    }
    errno = saved;
}

void report_threads(const struct thread_counts *thread_counts)
{
    struct line line;
    if (level < LOG_INFO)
        return;
    line_threads(&line, format, os_pid(), thread_counts);
    say_line(&line);
}

static __attribute__((noinline)) void say_note(const char *at_level, const char *what, const char *why)
{
    struct line line;
    int saved = errno;
    if (has_stack()) {
        line_note(&line, format, os_pid(), at_level, what, why);
        say_line(&line);
    }
    errno = saved;
}

void report_note(const char *what, const char *why)
{
    if (level == LOG_DEBUG)
        say_note("debug", what, why);
}

void report_info(const char *what, const char *why)
{
    if (level >= LOG_INFO)
        say_note("info", what, why);
}

void report_decision(enum symbol call, const char *what)
{
    report_note(switchboard_name(call), what);
}

void report_stop(void)
{
    store_relaxed(&stopped, true);
}

void report_totals(void)
{
    if (!load_relaxed(&was_counted) || load_relaxed(&stopped))
        return;
    pid_t owner = load_relaxed(&counts.owner);
    if (!owner)
        return; /* nothing was counted: not even a system call is made */
    bool is_owner = false;
    for (enum symbol call = 0; call < CALLS; call++) {
        for (enum reason reason = 0; reason < REASONS; reason++) {
            struct kind *kind = &counts.kinds[call][reason];
            uint64_t count = __atomic_load_n(&kind->count, __ATOMIC_SEQ_CST);
            if (count <= load_relaxed(&kind->said))
                continue;
            if (!is_owner && owner != os_pid())
                return;
            is_owner = true;
            say_kind(call, reason, kind, count, NULL);
        }
    }
}

/* ---- start and end ---- */

static void at_end(void)
{
    __atomic_store_n(&ending, true, __ATOMIC_SEQ_CST);
    report_totals();
}

__attribute__((destructor)) static void at_exit(void)
{
    at_end();
}

void report_start(enum log new_level, enum log_format new_format)
{
    level = new_level;
    format = new_format;
    if (level == LOG_OFF)
        return;
    output_remember();
    at_quick_exit(at_end);
}
