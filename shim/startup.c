#include "shim/startup.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/object.h"
#include "shim/report/report.h"
#include "shim/switchboard/switchboard.h"
#include "shim/verdict.h"

struct config settings;

/* ---- what is around us ---- */

/* Defined where such a runtime is loaded with the program, undefined (a null address) elsewhere: asking this way runs
 * no look-up code, allocates nothing and leaves dlerror alone. */
#define OPTIONAL extern char __attribute__((weak, visibility("default")))
OPTIONAL __asan_init[];
OPTIONAL __tsan_init[];
OPTIONAL __msan_init[];
OPTIONAL __hwasan_init[];
OPTIONAL __lsan_ignore_object[];
OPTIONAL dmtcp_is_enabled[];

static const void *find_sanitizer(void)
{
    const char *const runtimes[] = {__asan_init, __tsan_init, __msan_init, __hwasan_init, __lsan_ignore_object};
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (runtimes[i])
            return runtimes[i];
    return NULL;
}

/* rr sets this variable for everything that it runs (rr(1)). */
static bool is_recorded(char *const *env)
{
    static const char mark[] = "RUNNING_UNDER_RR=";
    for (; *env; env++)
        if (__builtin_strncmp(*env, mark, sizeof mark - 1) == 0)
            return true;
    return dmtcp_is_enabled != NULL;
}

/* What stands before us as pthread_create, or NULL. An executable that is not position-independent and takes the
 * function's address has a stub of the same name, which only jumps on: an undefined symbol with a value. */
static const void *find_preemption(void)
{
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;
    void *first = dlsym(RTLD_DEFAULT, "pthread_create");
    if (first == (void *)switchboard_pthread_create)
        return NULL;
    if (dladdr1(first, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF)
        return NULL;
    return first;
}

/* ---- the decision ---- */

static void say_mode(void)
{
    report_info(settings.mode == MODE_MANAGED ? "managed mode, version " : "passthrough mode, version ",
                UNIRUN_VERSION);
}

static void decide(char *const *env)
{
    struct config_complaint complaints[CONFIG_SETTINGS];
    const void *sanitizer = find_sanitizer(), *preemption = find_preemption();
    struct process_facts facts = {
        .privileged = getauxval(AT_SECURE),
        .sanitizer = sanitizer,
        .recorder = is_recorded(env),
        .preempted = preemption,
    };
    size_t complained = config_read(facts.privileged ? NULL : env, &settings, complaints, CONFIG_SETTINGS);
    bool refused = false;
    for (size_t i = 0; i < complained; i++)
        refused |= complaints[i].used == config_mode_name(MODE_PASSTHROUGH);
    struct process_verdict verdict = decide_process(&settings, &facts);
    settings.mode = verdict.mode;
    if (verdict.mode == MODE_PASSTHROUGH && verdict.reason == REASON_NONE && !refused)
        return; /* asked for: silence */
    object_start();
    report_start(settings.log, settings.log_format);
    for (size_t i = 0; i < complained; i++)
        report_complaint(&complaints[i]);
    if (verdict.reason != REASON_NONE)
        report_process(verdict.reason, sanitizer ? sanitizer : preemption);
    if (settings.mode == MODE_MANAGED)
        verdict_start();
    say_mode();
}

/* ---- once ---- */

/* state     next
 * NEW       BUSY by the thread that starts up (CAS); NEW for as long as there is no environment to read
 * BUSY      DONE by that thread. Others, and this one's own calls from inside, go on to what stands behind us. */
enum state { NEW, BUSY, DONE };
static enum state state;

bool startup(void)
{
    /* Acquire: pairs with the release below; settings and tables are complete. */
    enum state now = load_acquire(&state);
    if (now == DONE)
        return true;
    if (now == BUSY || !environ || !cas_acquire(&state, NEW, BUSY))
        return false;
    switchboard_resolve();
    decide(environ);
    switchboard_switch(settings.mode);
    store_release(&state, DONE);
    return true;
}

__attribute__((constructor)) static void construct(void)
{
    startup();
}
