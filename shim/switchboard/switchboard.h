/* The switchboard: where each interposed call goes.
 *
 * symbols.def has one row per symbol. From it derive the exported functions (trampolines.c, stubs_*.S), each of which
 * is one indirect jump through `calls`, and the look-up of what stands behind us, `real`. */
#ifndef UNIRUN_SHIM_SWITCHBOARD_H
#define UNIRUN_SHIM_SWITCHBOARD_H

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "policy/config.h"

/* libgomp's, which no header declares: gcc emits the calls (gcc, libgomp/libgomp_g.h). */
#define SHIM_LIBC(ret, name, params)
#define SHIM_LIBGOMP(ret, name, params) ret name params;
#define SHIM(provider, family, name, versions, ret, params, args, route) SHIM_##provider(ret, name, params)
#include "shim/switchboard/symbols.def"
#undef SHIM_LIBC
#undef SHIM_LIBGOMP

/* What libc exports and no public header of it declares: aliases, and calls that their man pages say to declare. */
int __arch_prctl(int code, unsigned long address);
int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso);
pid_t __fork(void);
int __pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __sched_setscheduler(pid_t thread, int policy, const struct sched_param *param);
long __sysconf(int name);
int arch_prctl(int code, unsigned long address);
int capset(cap_user_header_t header, const cap_user_data_t data);
int pidfd_open(pid_t pid, unsigned int flags);

/* A row's number; also its place in the tables. */
enum symbol {
#define SHIM(provider, family, name, versions, ret, params, args, route) SYMBOL_##name,
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) SYMBOL_##id,
#define STUB(provider, family, name, versions, route) SYMBOL_##name,
#include "shim/switchboard/symbols.def"
    SYMBOLS,
    /* For the log: what is managed without being a row. */
    CALL_OMP_PARALLEL = SYMBOLS,
    CALLS
};

/* Rows from here on are a runtime's, of which there may be none, or several, at any time: they are looked up for each
 * call, as far as it is needed (team/runtime.h). */
#define LIBC_SYMBOLS SYMBOL_GOMP_parallel
#define RUNTIME_SYMBOLS ((int)SYMBOLS - (int)LIBC_SYMBOLS)

/* One pointer per row, in the order of the rows: the stubs find theirs by number. */
union switchboard {
    struct {
#define SHIM(provider, family, name, versions, ret, params, args, route) ret(*name) params;
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) ret(*id) params;
#define STUB(provider, family, name, versions, route) void *name;
#include "shim/switchboard/symbols.def"
    };
    void *row[SYMBOLS];
};

/* calls  where an exported function jumps to: the function behind us, or the managed one.
 * real   the function behind us: libc's, or another preload's.
 *
 * Both are valid as soon as our relocations are done. A row that has not been called yet leads to switchboard_early()
 * or switchboard_bind(), which look it up, and from then on to what they have found; a runtime's rows of `real` are
 * unused.
 *
 * A pointer is one aligned word and every value that it ever has is right to call, so both are read without a lock. */
extern __attribute__((visibility("hidden"))) union switchboard calls, real;

/* The name of a row as programs know it. */
const char *switchboard_name(enum symbol symbol);

/* Looks up what stands behind a row: its address, which goes into `real`, too. Context: any; calls no function of libc.
 */
void *switchboard_bind(enum symbol symbol);

/* Finds out for every row of libc, and for libc.h, where it leads. Context: start-up is done, or as good as. */
void switchboard_settle(void);

/* Starts up if that is possible now, and returns where a call from the code at `caller` goes: it arrived before
 * start-up had run, or is a runtime's. Context: any thread, any constructor, a signal handler. Keeps errno. */
void *switchboard_early(enum symbol symbol, const void *caller);

/* The registers of a call that a STUB row passes through before_<name>(), as the System V AMD64 ABI has them at entry.
 */
struct call_registers {
    unsigned long argument[6];
    const void *caller;     /* the return address */
    unsigned long kept[27]; /* what the stub keeps for itself, up to the return address in its place */
    unsigned long more[];   /* the arguments behind those six: of a call from a stub alone */
};

/* What managed mode runs: one function for each MANAGED row. */
#define IF_MANAGED(declaration) declaration
#define IF_FORWARD(declaration)
#define SHIM(provider, family, name, versions, ret, params, args, route) IF_##route(ret managed_##name params;)
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) IF_##route(ret managed_##id params;)
#define STUB(provider, family, name, versions, route) IF_##route(void before_##name(struct call_registers *registers);)
#include "shim/switchboard/symbols.def"
#undef IF_MANAGED
#undef IF_FORWARD

#endif
