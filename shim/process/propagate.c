#include "shim/process/propagate.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/decide.h"
#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/process/program.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"
#include "shim/text.h"
#include "shim/thread/pool.h"

/* ---- the environment ---- */

/* What this process was started with: a bit for each setting, and the preload. */
struct given {
    uint32_t settings;
    bool preload;
};
_Static_assert(CONFIG_SETTINGS <= 32, "a bit for each");
HOT static struct given given;

/* Our own file name: the loader's, which stays as it is. */
HOT static const char *own_name;

static const char preload_entry[] = "LD_PRELOAD=";

/* LD_PRELOAD is a list between colons and spaces (ld.so(8)). */
static bool is_between(char c)
{
    return c == ':' || c == ' ';
}

static const char *end_of(const char *item)
{
    while (*item && !is_between(*item))
        item++;
    return item;
}

static const char *next_item(const char *item)
{
    item = end_of(item);
    while (is_between(*item))
        item++;
    return item;
}

/* Whether an item of the list has our file name. */
static bool has_preload(const char *list)
{
    for (; *list; list = next_item(list)) {
        const char *base = list, *end = end_of(list);
        for (const char *at = list; at < end; at++)
            if (*at == '/')
                base = at + 1;
        if (text_rest(base, own_name) == end)
            return true;
    }
    return false;
}

/* Its bit, if the entry is of one. */
static uint32_t setting_of(const char *entry)
{
    size_t row = config_row(entry);
    return row < CONFIG_SETTINGS ? UINT32_C(1) << row : 0;
}

/* What is no address is an error of the kernel's for exec(3), and none of ours. */
static bool is_readable(char *const *env)
{
    return !env || (os_is_readable(env) && (!*env || os_is_readable(*env)));
}

static struct given read_environment(char *const *env)
{
    struct given found = {0};
    for (; env && *env; env++) {
        const char *list = text_rest(*env, preload_entry);
        if (list)
            found.preload = has_preload(list);
        found.settings |= setting_of(*env);
    }
    return found;
}

/* ---- what speaks against a program's being managed ---- */

static enum reason judge(const struct departure *departure)
{
    struct program_facts facts;
    char path[PROGRAM_PATH];
    if (!is_readable(departure->env))
        return REASON_NONE;
    const struct given left = read_environment(departure->env);
    /* Before all else, whether there is a program to be started at all. */
    const char *file = departure->path;
    if (departure->is_searched)
        file = program_find(file, path) ? path : NULL;
    if (!file || !program_read(file, &facts))
        return REASON_NONE;
    bool is_completed = propagate_need(departure->env).entries;
    if (given.preload && !left.preload && !is_completed)
        return REASON_ENVIRONMENT;
    enum reason reason = decide_program(&facts).reason;
    if (reason == REASON_NONE && given.settings & ~left.settings && !is_completed)
        return REASON_SETTINGS;
    return reason;
}

/* ---- saying so ---- */

/* entry.state   FREE     next: TAKEN by whoever finds it first (CAS)
 *               TAKEN          OWED by that one, when the rest is written (release)
 *               OWED           stays so; `said` tells what of `count` was said */
enum { FREE, TAKEN, OWED };
struct entry {
    uint32_t state;
    uint16_t call, reason;
    uint32_t count, said;
    const void *caller; /* of a fork child or this process: the objects are the same */
    char path[104];
};

/* Shared with the children that this process forks, and theirs, until they fork themselves. */
struct family {
    pid_t owner;
    struct entry entry[31];
};
_Static_assert(sizeof(struct family) <= OS_PAGE, "one page");
HOT static struct family *family;

/* Its owner, as far as this process knows: a child that asks has no need to touch its page. Relaxed: who finds another
 * thread's page before this founds one anew. */
HOT static pid_t founder;

static bool is_founder(void)
{
    return load_relaxed(&founder) == os_pid();
}

static void found_family(void)
{
    /* In the place of the parent's page, if there was one: children of children of children need no more room, and
     * another thread that is reading finds an empty page. */
    struct family *before = load_acquire(&family), *expected = before;
    const int flags = MAP_SHARED | MAP_ANONYMOUS | (before ? MAP_FIXED : 0);
    int saved = errno;
    struct family *page = libc.mmap(before, OS_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    errno = saved;
    if (page == MAP_FAILED)
        return;
    page->owner = os_pid();
    store_relaxed(&founder, page->owner);
    /* Acquire and release: who finds it finds its owner. Of two threads one founds it. */
    if (!__atomic_compare_exchange_n(&family, &expected, page, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) &&
        expected != page)
        libc.munmap(page, OS_PAGE);
}

static void say(struct family *of, struct entry *entry)
{
    uint32_t count = load_relaxed(&entry->count), said = load_relaxed(&entry->said);
    /* Relaxed: it orders nothing but itself; who takes the right to say a count, says it, or gives it back. */
    if (said >= count ||
        !__atomic_compare_exchange_n(&entry->said, &said, count, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    if (!report_for(of->owner, entry->call, entry->reason, entry->caller, entry->path, count))
        __atomic_compare_exchange_n(&entry->said, &count, said, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool is_about(const struct entry *entry, const struct departure *departure, enum reason reason)
{
    /* Acquire: pairs with the release in take_entry(). */
    return load_acquire(&entry->state) == OWED && entry->reason == reason &&
           strncmp(entry->path, departure->path, sizeof entry->path - 1) == 0;
}

static struct entry *take_entry(struct family *of, const struct departure *departure, enum reason reason)
{
    for (size_t i = 0; i < sizeof of->entry / sizeof *of->entry; i++) {
        struct entry *entry = &of->entry[i];
        if (is_about(entry, departure, reason))
            return entry;
        if (load_relaxed(&entry->state) != FREE || !cas_acquire(&entry->state, FREE, TAKEN))
            continue;
        entry->call = (uint16_t)departure->call;
        entry->reason = (uint16_t)reason;
        entry->caller = departure->caller;
        size_t length = strnlen(departure->path, sizeof entry->path - 1);
        memcpy(entry->path, departure->path, length);
        entry->path[length] = '\0';
        store_release(&entry->state, OWED);
        return entry;
    }
    return NULL; /* more programs than anybody wants to read of */
}

/* For the file, its interpreter's, and the line. */
enum { STACK_NEEDED = 8192 };

static bool is_spawn(enum symbol call)
{
    return call >= SYMBOL_posix_spawn_2_2_5 && call <= SYMBOL_posix_spawnp_2_15;
}

void propagate_check(const struct departure *departure)
{
    /* Nor in a handler that has no room for it. */
    if (settings.log == LOG_OFF || !own_name || pool_is_forgotten() || !departure->path || !os_has_stack(STACK_NEEDED))
        return;
    enum reason reason = judge(departure);
    if (reason == REASON_NONE)
        return;
    struct family *of = load_acquire(&family);
    if (!of || (is_spawn(departure->call) && !is_founder())) {
        found_family();
        of = load_acquire(&family);
    }
    struct entry *entry = of ? take_entry(of, departure, reason) : NULL;
    if (entry && add_relaxed(&entry->count, 1) == 1)
        say(of, entry);
}

static void say_all(struct family *of, bool only_new)
{
    for (size_t i = 0; i < sizeof of->entry / sizeof *of->entry; i++) {
        struct entry *entry = &of->entry[i];
        uint32_t state = load_acquire(&entry->state);
        if (state == FREE)
            break; /* they are taken in order */
        if (state == OWED && (!only_new || !load_relaxed(&entry->said)))
            say(of, entry);
    }
}

void propagate_before_fork(void)
{
    if (pool_is_forgotten())
        return; /* it may have forbidden the calls below */
    struct family *of = load_acquire(&family);
    if (!of || !is_founder())
        found_family();
    else
        say_all(of, true);
}

void propagate_totals(void)
{
    struct family *of = load_acquire(&family);
    if (of && !pool_is_forgotten() && is_founder())
        say_all(of, false);
}

__attribute__((destructor)) static void at_exit(void)
{
    propagate_totals();
}

/* ---- UNIRUN_PROPAGATE=1 ---- */

/* The environment may be written over after the start (setproctitle): so what is to be propagated is kept. */
enum { KEPT = 4096 };
static char kept[KEPT];
static size_t kept_used;
static char *kept_entry[CONFIG_SETTINGS]; /* "NAME=VALUE", by the number of the setting */
static char *kept_preload;                /* as it stood in the list */

static char *keep(const char *text, size_t length)
{
    char *copy = kept + kept_used;
    if (length >= KEPT - kept_used)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    kept_used += length + 1;
    return copy;
}

static void keep_preload(const char *list)
{
    const char *own = list;
    while (has_preload(next_item(own)))
        own = next_item(own);
    kept_preload = keep(own, (size_t)(end_of(own) - own));
}

static void keep_all(char *const *env)
{
    for (; *env; env++) {
        size_t row = config_row(*env);
        const char *list = text_rest(*env, preload_entry);
        if (row < CONFIG_SETTINGS)
            kept_entry[row] = keep(*env, strlen(*env));
        else if (given.preload && list)
            keep_preload(list);
    }
}

/* The value of LD_PRELOAD in `env`, or "". */
static const char *preload_in(char *const *env)
{
    for (; env && *env; env++) {
        const char *list = text_rest(*env, preload_entry);
        if (list)
            return list;
    }
    return "";
}

/* A thread's stack may be small: the program starts as it is before it does not start at all. */
enum { MOST_STACK = 32768 };

struct propagation propagate_need(char *const *env)
{
    struct propagation need = {0};
    if (!settings.propagate || !own_name || pool_is_forgotten() || !is_readable(env))
        return need;
    const struct given left = read_environment(env);
    need.settings = given.settings & ~left.settings;
    need.preload = given.preload && !left.preload && kept_preload;
    if (!need.settings && !need.preload)
        return need;
    if (need.preload)
        need.text = sizeof preload_entry + strlen(kept_preload) + 1 + strlen(preload_in(env));
    for (; env && *env; env++)
        need.entries++;
    need.entries += (size_t)__builtin_popcount(need.settings) + 2;
    const bool fits = need.entries * sizeof(char *) + need.text <= MOST_STACK;
    return fits ? need : (struct propagation){0};
}

/* Ours before those that the program wants, as the launcher does it. */
static char *join_preload(char *text, const char *others)
{
    char *at = stpcpy(stpcpy(text, preload_entry), kept_preload);
    if (*others)
        stpcpy(stpcpy(at, ":"), others);
    return text;
}

char *const *propagate_fill(const struct propagation *need, char *const *env, char **full, char *text)
{
    char **next = full;
    if (need->preload)
        *next++ = join_preload(text, preload_in(env));
    for (; env && *env; env++)
        if (!need->preload || !text_rest(*env, preload_entry))
            *next++ = *env;
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++)
        if (need->settings & UINT32_C(1) << i && kept_entry[i])
            *next++ = kept_entry[i];
    *next = NULL;
    return full;
}

void propagate_start(char *const *env)
{
    const char *path = lookup_own_path();
    if (!path)
        return;
    own_name = text_base(path);
    given = read_environment(env);
    if (settings.propagate)
        keep_all(env);
}
