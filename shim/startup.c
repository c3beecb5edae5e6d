#include "shim/startup.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/capacity.h"
#include "shim/domain/file.h"
#include "shim/hot.h"
#include "shim/object.h"
#include "shim/process/admission.h"
#include "shim/process/propagate.h"
#include "shim/report/report.h"
#include "shim/switchboard/lookup.h"
#include "shim/switchboard/switchboard.h"
#include "shim/text.h"
#include "shim/verdict.h"

HOT struct config settings;

/* ---- what is around us ---- */

/* Defined where such a runtime is loaded with the program, undefined (a null address) elsewhere: asking this way runs
 * no look-up code, allocates nothing and leaves dlerror alone. */
#define OPTIONAL(name) extern void name(void) __attribute__((weak, visibility("default")))
OPTIONAL(__asan_init);
OPTIONAL(__tsan_init);
OPTIONAL(__msan_init);
OPTIONAL(__hwasan_init);
OPTIONAL(__lsan_ignore_object);
OPTIONAL(dmtcp_is_enabled);

static const void *find_sanitizer(void)
{
    void (*const runtimes[])(void) = {__asan_init, __tsan_init, __msan_init, __hwasan_init, __lsan_ignore_object};
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (runtimes[i])
            return (const void *)runtimes[i];
    return NULL;
}

/* What the environment tells of who runs us. rr sets a variable for everything that it runs (rr(1)). Valgrind's
 * preloads are in it: its race checkers take a join that is not libc's for none, and its other tools would, at exit,
 * take the stacks of parked threads for leaks of the program. */
static struct environment {
    bool is_recorded, is_under_valgrind;
} read_environment(char *const *env)
{
    struct environment found = {.is_recorded = dmtcp_is_enabled};
    for (; *env; env++) {
        if (text_rest(*env, "RUNNING_UNDER_RR="))
            found.is_recorded = true;
        for (const char *at = text_rest(*env, "LD_PRELOAD="); at && *at; at++) {
            const char *tool = text_rest(at, "/vgpreload_");
            if (tool && text_rest(tool, "core"))
                found.is_under_valgrind = true;
            if (tool && (text_rest(tool, "helgrind") || text_rest(tool, "drd")))
                found.is_recorded = true;
        }
    }
    return found;
}

/* ---- the decision ---- */

static void say_mode(void)
{
    struct capacity capacity;
    if (settings.log < LOG_INFO)
        return;
    capacity_read("", &capacity);
    report_mode(settings.mode, &capacity);
}

/* What speaks against managing this process is looked for only where managing is wanted. `culprit` becomes an address
 * in the object that does. */
static struct process_verdict judge(const struct environment *around, bool privileged, const void **culprit)
{
    struct process_facts facts = {.privileged = privileged};
    if (!privileged && settings.mode == MODE_MANAGED) {
        const void *sanitizer = find_sanitizer(), *preemption = lookup_before("pthread_create");
        facts.sanitizer = sanitizer;
        facts.recorder = around->is_recorded;
        facts.preempted = preemption;
        *culprit = sanitizer ? sanitizer : preemption;
    }
    return decide_process(&settings, &facts);
}

static bool is_mode_refused(const struct config_complaint *complaints, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(complaints[i].used, config_mode_name(MODE_PASSTHROUGH)) == 0)
            return true;
    return false;
}

/* Programs write over their environment (setproctitle). */
static void keep_domain(void)
{
    HOT static char kept[DOMAIN_NAME_MOST + 1];
    size_t length = 0;
    while (length < DOMAIN_NAME_MOST && settings.domain[length]) {
        kept[length] = settings.domain[length];
        length++;
    }
    settings.domain = kept;
}

static void decide(char *const *env)
{
    struct config_complaint complaints[CONFIG_SETTINGS];
    const void *culprit = NULL;
    bool privileged = getauxval(AT_SECURE);
    const struct environment around = read_environment(env);
    size_t complained = config_read(privileged ? NULL : env, &settings, complaints, CONFIG_SETTINGS);
    struct process_verdict verdict = judge(&around, privileged, &culprit);
    settings.mode = verdict.mode;
    if (verdict.mode == MODE_PASSTHROUGH && verdict.reason == REASON_NONE && !is_mode_refused(complaints, complained))
        return; /* asked for: silence */
    report_start(settings.log, settings.log_format);
    for (size_t i = 0; i < complained; i++)
        report_complaint(&complaints[i]);
    if (verdict.reason != REASON_NONE)
        report_process(verdict.reason, culprit);
    if (settings.mode == MODE_MANAGED) {
        keep_domain();
        verdict_start(around.is_under_valgrind);
        propagate_start(env);
    }
    say_mode();
}

/* ---- once ---- */

/* state     next
 * NEW       BUSY by the thread that starts up (CAS); NEW for as long as there is no environment to read
 * BUSY      DONE by that thread. Others, and this one's own calls from inside, go on to what stands behind us. */
enum state { NEW, BUSY, DONE };
HOT static enum state state;

/* Otherwise we were opened later, by a thread that holds the loader's lock now, or linked behind libc. */
HOT static bool is_preloaded;

static bool start_with(char *const *env)
{
    /* Acquire: pairs with the release below; settings are complete. */
    enum state now = load_acquire(&state);
    if (now == DONE)
        return true;
    if (now == BUSY || !env || !cas_acquire(&state, NEW, BUSY))
        return false;
    is_preloaded = lookup_start();
    decide(env);
    if (!is_preloaded) { /* later we may not look up */
        switchboard_settle();
        object_settle();
    }
    store_release(&state, DONE);
    return true;
}

bool startup(void)
{
    if (load_acquire(&state) == DONE) /* with the settings */
        return true;
    int saved = errno;
    bool is_done = start_with(environ);
    errno = saved;
    return is_done;
}

/* glibc passes what main gets. The environment is that of the start, even if a constructor before ours has cleared it.
 */
__attribute__((constructor)) static void construct(int argc, char **argv, char **env)
{
    (void)argc;
    start_with(env);
    if (settings.mode == MODE_MANAGED && is_preloaded)
        admission_start(argv);
}
