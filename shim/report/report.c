#include "shim/report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/object.h"
#include "shim/report/line.h"
#include "shim/report/output.h"

static enum log level = LOG_OFF;
static enum log_format format;

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
        struct kind kinds[SYMBOLS][REASONS];
    };
    char pages[((SYMBOLS * REASONS + 1) * sizeof(struct kind) / PAGE + 1) * PAGE];
} counts __attribute__((aligned(PAGE)));

/* Set when totals have been said for the last time: later downgrades are said one by one. */
static bool ending;

/* Whether the count-th of a kind is said: the first, the tenth, the hundredth ... While stderr has taken nothing of
 * this kind yet, the powers of two are tried as well. */
static bool is_due(uint64_t count, uint64_t said)
{
    if (load_relaxed(&ending) || level == LOG_DEBUG)
        return true;
    if (!said && !(count & (count - 1)))
        return true;
    while (count % 10 == 0)
        count /= 10;
    return count == 1;
}

/* Relaxed, here and below: counts order nothing else, and a thread that loses the race has said a smaller number. */
static void note_said(struct kind *kind, uint64_t count)
{
    uint64_t said = load_relaxed(&kind->said);
    while (said < count &&
           !__atomic_compare_exchange_n(&kind->said, &said, count, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

/* ---- whose code was it? ---- */

static const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

/* Where a code address is. `scratch` holds the result if it is the program itself, which the loader gives no name. */
static void locate(const void *address, struct downgrade *d, char *scratch, size_t size)
{
    struct object found;
    d->object = "unknown";
    d->offset = (uintptr_t)address;
    if (!object_find(address, &found))
        return;
    d->offset = (uintptr_t)address - found.base;
    d->object = base_name(found.name);
    if (*d->object)
        return;
    ssize_t length = readlink("/proc/self/exe", scratch, size - 1);
    scratch[length > 0 ? length : 0] = '\0';
    d->object = length > 0 ? base_name(scratch) : "program";
}

/* ---- saying it ---- */

static bool say(struct downgrade *d, const void *caller)
{
    char path[256];
    struct line line;
    int saved = errno;
    d->pid = getpid();
    locate(caller, d, path, sizeof path);
    line_downgrade(&line, format, d);
    bool said = output_write(line.text, line.length);
    errno = saved;
    return said;
}

static void say_kind(enum symbol call, enum reason reason, struct kind *kind, uint64_t count)
{
    struct downgrade d = {.call = switchboard_name(call), .reason = reason, .count = count};
    if (say(&d, load_relaxed(&kind->caller)))
        note_said(kind, count);
}

void report_downgrade(enum symbol call, enum reason reason, const void *caller)
{
    struct kind *kind = &counts.kinds[call][reason];
    if (!load_relaxed(&counts.owner))
        store_relaxed(&counts.owner, getpid());
    uint64_t count = add_relaxed(&kind->count, 1);
    store_relaxed(&kind->caller, caller);
    if (level != LOG_OFF && is_due(count, load_relaxed(&kind->said)))
        say_kind(call, reason, kind, count);
}

void report_process(enum reason reason, const void *culprit)
{
    /* The process line is the first of its kind and the last: it needs no count. */
    struct downgrade d = {.call = "process", .reason = reason, .count = 1};
    if (level != LOG_OFF)
        say(&d, culprit ? culprit : (const void *)getauxval(AT_ENTRY));
}

void report_complaint(const struct config_complaint *complaint)
{
    struct line line;
    if (level == LOG_OFF)
        return;
    line_complaint(&line, format, getpid(), complaint);
    output_write(line.text, line.length);
}

static void note(enum log least, const char *name, const char *text, const char *detail)
{
    struct line line;
    if (level < least)
        return;
    line_note(&line, format, getpid(), name, text, detail);
    output_write(line.text, line.length);
}

void report_info(const char *text, const char *detail)
{
    note(LOG_INFO, "info", text, detail);
}

void report_debug(const char *text, const char *detail)
{
    note(LOG_DEBUG, "debug", text, detail);
}

void report_totals(void)
{
    if (level == LOG_OFF || load_relaxed(&counts.owner) != getpid())
        return;
    for (enum symbol call = 0; call < SYMBOLS; call++) {
        for (enum reason reason = 0; reason < REASONS; reason++) {
            struct kind *kind = &counts.kinds[call][reason];
            uint64_t count = load_relaxed(&kind->count);
            if (count > load_relaxed(&kind->said))
                say_kind(call, reason, kind, count);
        }
    }
}

/* ---- start and end ---- */

static void at_end(void)
{
    store_relaxed(&ending, true);
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
    madvise(&counts, sizeof counts, MADV_WIPEONFORK);
    at_quick_exit(at_end);
}
