/* Where a row's call goes, and what stands behind it: found out at the first call. Most programs call few of them, and
 * the short ones none. */
#include "shim/switchboard/switchboard.h"

#include <stddef.h>
#include <stdint.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"
#include "shim/team/runtime.h"

/* ---- what the rows say ---- */

/* Names by their place in one text, and not by pointers, which the loader would have to relocate. All versions of a
 * SHIM_AT row share an address, so the first of them does. */
#define AT(...) FIRST(__VA_ARGS__, )
#define FIRST(first, ...) first
static const struct names {
    char none;
#define SHIM(provider, family, name, versions, ret, params, args, route) char name[sizeof #name];
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route)                                        \
    char id[sizeof #name], id##_version[sizeof versions];
#define STUB(provider, family, name, versions, route) char name[sizeof #name];
#include "shim/switchboard/symbols.def"
} names = {
#define AT(...) FIRST(__VA_ARGS__, )
#define SHIM(provider, family, name, versions, ret, params, args, route) .name = #name,
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) .id = #name, .id##_version = versions,
#define STUB(provider, family, name, versions, route) .name = #name,
#include "shim/switchboard/symbols.def"
};
static const struct {
    uint16_t name, version;
} row_at[SYMBOLS] = {
#define SHIM(provider, family, name, versions, ret, params, args, route) {offsetof(struct names, name), 0},
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route)                                        \
    {offsetof(struct names, id), offsetof(struct names, id##_version)},
#define STUB(provider, family, name, versions, route) {offsetof(struct names, name), 0},
#include "shim/switchboard/symbols.def"
};

const char *switchboard_name(enum symbol symbol)
{
    return symbol == CALL_OMP_PARALLEL ? "omp parallel" : (const char *)&names + row_at[symbol].name;
}

/* What to look up; without '@' or '@@'. NULL: a row without versions. */
static const char *version_of(enum symbol symbol)
{
    const char *version = (const char *)&names + row_at[symbol].version;
    while (*version == '@')
        version++;
    return *version ? version : NULL;
}

/* ---- binding ---- */

/* Where managed mode sends a row, from here; 0: on to libc. In the assembler file. */
extern const int32_t managed[SYMBOLS] __attribute__((visibility("hidden")));

void *switchboard_bind(enum symbol symbol)
{
    void *address = lookup_behind(switchboard_name(symbol), version_of(symbol));
    if (address) /* relaxed: every thread that gets here finds the same, and nothing hangs on it */
        store_relaxed(&real.row[symbol], address);
    return address;
}

/* Start-up is complete. What this libc does not have yet is served by us, if at all. */
static void *target_of(enum symbol symbol)
{
    void *ours = managed[symbol] ? (char *)managed + managed[symbol] : NULL;
    if (ours && settings.mode == MODE_MANAGED)
        return ours;
    void *behind = switchboard_bind(symbol);
    return behind ? behind : ours;
}

/* Release: a managed function reads settings, which start-up wrote before. A trampoline reads the pointer with a plain
 * load, which is an acquire on x86; stubs for a weaker machine must say so. */
static void *settle(enum symbol symbol)
{
    void *target = target_of(symbol);
    store_release(&calls.row[symbol], target); /* from now on one jump */
    return target;
}

static void settle_rows(enum symbol first, enum symbol last)
{
    for (enum symbol symbol = first; symbol <= last; symbol++) {
        settle(symbol);
        switchboard_bind(symbol);
    }
}

void switchboard_settle(void)
{
    settle_rows(0, LIBC_SYMBOLS - 1);
    libc_bind_all();
}

/* The first call of a row is the occasion for others. */
static void settle_with(enum symbol symbol)
{
    /* On an alternate stack a handler may have room for libc's function and not for a look-up. */
    if (symbol == SYMBOL_sigaltstack)
        switchboard_settle();
    /* Each child would look up anew, and on pages that it has to copy first, what it becomes another program by. */
    if (symbol >= SYMBOL_fork && symbol <= SYMBOL___clone)
        settle_rows(SYMBOL_execve, SYMBOL__Exit);
}

/* ---- calls that are not settled ---- */

static void *runtime_target(enum symbol symbol, const void *caller)
{
    bool is_for_good;
    void *target = runtime_entry(symbol, caller, &is_for_good);
    if (is_for_good && startup() && settings.mode == MODE_PASSTHROUGH)
        store_release(&calls.row[symbol], target); /* from now on one jump */
    return target;
}

void *switchboard_early(enum symbol symbol, const void *caller)
{
    bool is_started = startup();
    if (symbol >= LIBC_SYMBOLS && (!is_started || settings.mode != MODE_MANAGED))
        return runtime_target(symbol, caller);
    /* No environment yet, or this very call comes from inside start-up, or another thread is at it: then the call is
     * forwarded, and nothing waits. */
    if (!is_started)
        return switchboard_bind(symbol);
    settle_with(symbol);
    return settle(symbol);
}
