/* Start-up values of the tables, and the look-up of what stands behind us. */
#include "shim/switchboard/switchboard.h"

#include <errno.h>

#include "shim/atomic.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"
#include "shim/team/runtime.h"

/* ---- what a row is at load time: early_<id>() ---- */

#define EARLY(id, ret, params, args)                                                                                   \
    static ret early_##id params                                                                                       \
    {                                                                                                                  \
        return ((__typeof__(calls.id))switchboard_early(SYMBOL_##id, __builtin_return_address(0)))args;                \
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

/* ---- what the rows say ---- */

/* What to look up. All versions of a SHIM_AT row share an address, so the first of them does; without '@' or '@@'. */
#define BARE_VERSION(at) ((at)[1] == '@' ? (at) + 2 : (at) + 1)
#define AT(...) FIRST(__VA_ARGS__, )
#define FIRST(first, ...) BARE_VERSION(first)
#define SHIM(provider, family, name, versions, ret, params, args, route) {#name, NULL},
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) {#name, versions},
#define STUB(provider, family, name, versions, route) {#name, NULL},
static const struct lookup wanted[SYMBOLS] = {
#include "shim/switchboard/symbols.def"
};

/* STUB rows route to an assembler label, which C knows only by this declaration. */
#define IF_FORWARD(name)
#define IF_MANAGED(name) extern char managed_##name[];
#define STUB(provider, family, name, versions, route) IF_##route(name)
#include "shim/switchboard/symbols.def"
#undef IF_FORWARD
#undef IF_MANAGED

/* Where managed mode sends a row; NULL: on to libc. */
#define IF_FORWARD(name) NULL
#define IF_MANAGED(name) (void *)managed_##name
#define SHIM(provider, family, name, versions, ret, params, args, route) IF_##route(name),
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) IF_##route(id),
#define STUB(provider, family, name, versions, route) IF_##route(name),
static void *const managed[SYMBOLS] = {
#include "shim/switchboard/symbols.def"
};

const char *switchboard_name(enum symbol symbol)
{
    return symbol == CALL_OMP_PARALLEL ? "omp parallel" : wanted[symbol].name;
}

/* ---- start-up ---- */

void switchboard_resolve(void)
{
    lookup_start();
    lookup_next(LIBC_SYMBOLS, wanted, real.row);
}

void switchboard_switch(enum mode mode)
{
    for (enum symbol symbol = 0; symbol < SYMBOLS; symbol++) {
        /* What this libc does not have yet is served by us, if at all. */
        bool is_ours = managed[symbol] && (mode == MODE_MANAGED || !real.row[symbol]);
        void *target = is_ours ? managed[symbol] : real.row[symbol];
        if (symbol >= LIBC_SYMBOLS && mode != MODE_MANAGED)
            continue; /* stays with switchboard_early() */
        /* Release: a managed function reads settings and `real`, which start-up wrote before. A trampoline reads the
         * pointer with a plain load, which is an acquire on x86; stubs for a weaker machine must say so. */
        store_release(&calls.row[symbol], target);
    }
}

void *switchboard_early(enum symbol symbol, const void *caller)
{
    int saved = errno;
    void *target;
    if ((!startup() || settings.mode != MODE_MANAGED) && symbol >= LIBC_SYMBOLS) {
        bool is_for_good;
        target = runtime_entry(symbol, caller, &is_for_good);
        if (is_for_good && load_relaxed(&settings.mode) == MODE_PASSTHROUGH && startup())
            store_release(&calls.row[symbol], target); /* from now on one jump */
    } else if (startup()) {
        target = load_acquire(&calls.row[symbol]);
    } else {
        /* No environment yet, or this very call comes from inside start-up, or another thread is at it. Then the call
         * is forwarded, and nothing waits. */
        lookup_next(1, &wanted[symbol], &real.row[symbol]);
        target = real.row[symbol];
    }
    errno = saved;
    return target;
}
