/* Start-up values of the tables, and the look-up of what stands behind us. */
#include "shim/switchboard/switchboard.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/startup.h"

/* ---- what a row is at load time: early_<id>() ---- */

#define EARLY(id, ret, params, args)                                                                                   \
    static ret early_##id params                                                                                       \
    {                                                                                                                  \
        return ((__typeof__(calls.id))switchboard_early(SYMBOL_##id))args;                                             \
    }
#define SHIM(provider, family, name, versions, ret, params, args, route) EARLY(name, ret, params, args)
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) EARLY(id, ret, params, args)
#define STUB(provider, family, name, versions, route) extern char early_##name[];
#include "shim/switchboard/symbols.def"

union switchboard real;
union switchboard calls = {{
#define SHIM(provider, family, name, versions, ret, params, args, route) .name = early_##name,
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) .id = early_##id,
#define STUB(provider, family, name, versions, route) .name = early_##name,
#include "shim/switchboard/symbols.def"
}};

/* ---- what the rows say, for look-up and routing ---- */

struct row {
    const char *name;
    const char *version; /* NULL: all versions share one address */
    void *managed;       /* NULL: managed mode forwards too */
};

/* STUB rows route to an assembler label, which C knows only by this declaration. */
#define IF_FORWARD(name)
#define IF_MANAGED(name) extern char managed_##name[];
#define STUB(provider, family, name, versions, route) IF_##route(name)
#include "shim/switchboard/symbols.def"
#undef IF_FORWARD
#undef IF_MANAGED

/* The version to look up is any of the row's, since they share an address; without the '@' or '@@' in front. */
#define BARE_VERSION(at) ((at)[1] == '@' ? (at) + 2 : (at) + 1)
#define AT(...) FIRST(__VA_ARGS__, )
#define FIRST(first, ...) BARE_VERSION(first)
#define IF_FORWARD(name) NULL
#define IF_MANAGED(name) (void *)managed_##name
#define SHIM(provider, family, name, versions, ret, params, args, route) {#name, NULL, IF_##route(name)},
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) {#name, versions, IF_##route(id)},
#define STUB(provider, family, name, versions, route) {#name, NULL, IF_##route(name)},
static const struct row rows[SYMBOLS] = {
#include "shim/switchboard/symbols.def"
};

const char *switchboard_name(enum symbol symbol)
{
    return rows[symbol].name;
}

/* ---- the function behind us ---- */

/* Whether `function` is what libc has under this name at any of the versions that we know. (dladdr would tell the
 * object as well, but searches all of its symbols: a quarter of the time that /bin/true takes.) */
static bool is_version_of(const char *name, void *function)
{
    for (const struct row *row = rows; row < rows + SYMBOLS; row++)
        if (row->version && strcmp(row->name, name) == 0 && dlvsym(RTLD_NEXT, name, row->version) == function)
            return true;
    return false;
}

/* What a program's own reference would bind to if we were not there. dlsym finds the first definition behind us, libc's
 * or another preload's, but of a name with several versions it takes the default one (before glibc 2.36 perhaps the
 * oldest, sourceware bug 14932); dlvsym finds the version that we want, but looks past preloads that have none. If what
 * dlsym finds is no version that libc has, another object stands behind us, and gets the call.
 *
 * Neither allocates for a symbol that is found, and every row exists in each glibc that we load into (2.34 and up). */
static void *find(const struct row *row)
{
    void *next = dlsym(RTLD_NEXT, row->name);
    if (!row->version)
        return next;
    void *known = dlvsym(RTLD_NEXT, row->name, row->version);
    return next == known || is_version_of(row->name, next) ? known : next;
}

/* Relaxed: every thread that gets here finds the same address, and nothing hangs on it. */
static void *real_row(enum symbol symbol)
{
    void *found = load_relaxed(&real.row[symbol]);
    if (!found) {
        found = find(&rows[symbol]);
        store_relaxed(&real.row[symbol], found);
    }
    return found;
}

void switchboard_resolve(void)
{
    for (enum symbol symbol = 0; symbol < SYMBOLS; symbol++)
        real_row(symbol);
}

void switchboard_switch(enum mode mode)
{
    for (enum symbol symbol = 0; symbol < SYMBOLS; symbol++) {
        void *managed = mode == MODE_MANAGED ? rows[symbol].managed : NULL;
        /* Release: a managed function reads settings and `real`, which start-up wrote before. A trampoline's jump
         * through the pointer is an address dependency, so the x86 and Arm memory models need no more on its side. */
        store_release(&calls.row[symbol], managed ? managed : real.row[symbol]);
    }
}

void *switchboard_early(enum symbol symbol)
{
    int saved = errno;
    /* Not started: no environment yet, or this very call comes from inside start-up (dlsym may run the program's
     * malloc, which may make a thread), or another thread is at it. Then the call is forwarded, and nothing waits. */
    void *target = startup() ? load_acquire(&calls.row[symbol]) : real_row(symbol);
    errno = saved;
    return target;
}
