/* LLVM OpenMP, by its tools interface (OMPT): it asks for a tool when it initialises.
 *
 * Its start-up size is set when the tool is called: libomp has read its environment then, and nobody can have asked for
 * a size. (It binds its threads to the mask that it reads, and counts it for ever: a cut mask would be more than a
 * size.) Its regions are told before their team starts, and after.
 *
 * ompt_start_tool is exported, and no row of the switchboard: where nobody behind us has a tool there is nothing to
 * jump to. */
#include "shim/team/libomp.h"

#include <stdint.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/domain/counts.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"
#include "shim/switchboard/switchboard.h"
#include "shim/team/turn.h"

#define CALLER __builtin_return_address(0)

/* OpenMP 5.0, 4.2.1: what ompt_start_tool() returns. */
struct tool {
    int (*initialize)(void (*(*lookup)(const char *name))(void), int device, uint64_t *data);
    void (*finalize)(uint64_t *data);
    uint64_t data;
};
typedef struct tool *start_tool(unsigned omp_version, const char *runtime_version);

__attribute__((visibility("default"))) start_tool ompt_start_tool;

/* ---- the start-up size ---- */

/* Our own CPUs in full: this is called once for each libomp. */
static unsigned own_cpus(void)
{
    unsigned char mask[1024] __attribute__((aligned(sizeof(long))));
    int failed = real.sched_getaffinity_2_3_4(0, sizeof mask, (cpu_set_t *)(void *)mask);
    return failed ? 0 : count_cpus(mask, sizeof mask);
}

static void write_setting(char setting[32], unsigned cpus)
{
    static const char name[] = "OMP_NUM_THREADS=";
    char digits[12], *digit = digits + sizeof digits;
    *--digit = '\0';
    do
        *--digit = (char)('0' + cpus % 10);
    while (cpus /= 10);
    memcpy(setting, name, sizeof name - 1);
    memcpy(setting + sizeof name - 1, digit, (size_t)(digits + sizeof digits - digit));
}

/* Context: libomp's initialisation, with its lock held; kmp_set_defaults() takes none from here on. */
static void set_defaults(const struct object *object)
{
    char setting[32];
    void (*set)(const char *) = (void (*)(const char *))lookup_in(object->map, "kmp_set_defaults");
    unsigned cpus = own_cpus(), limited = set ? counts_for_runtime(RUNTIME_LIBOMP, object, cpus) : cpus;
    if (limited >= cpus)
        return;
    write_setting(setting, limited);
    set(setting);
}

/* ---- turns ---- */

/* OpenMP 5.0, 4.5.2.3 and 4.5.2.4. */
enum { CALLBACK_PARALLEL_BEGIN = 3, CALLBACK_PARALLEL_END = 4, FLAG_TEAM = (int)0x80000000 };
union tool_data {
    uint64_t value;
    void *pointer;
};
typedef int set_callback(int event, void (*callback)(void));

static int (*get_active_level)(void);
static bool watching;

/* A region inside another one runs on what the outer one has. What is owed is kept with the region. */
static void begin_parallel(union tool_data *task, const void *frame, union tool_data *region, unsigned threads,
                           int flags, const void *caller)
{
    (void)task;
    (void)frame;
    if (flags & FLAG_TEAM && threads > 1 && get_active_level() == 0)
        region->value = turn_enter(&(struct gang){threads, false, TURN_WAITS_BLOCK, CALL_OMP_PARALLEL, caller});
}

static void end_parallel(union tool_data *region, union tool_data *task, int flags, const void *caller)
{
    (void)task;
    (void)flags;
    (void)caller;
    if (region->value)
        turn_leave();
    region->value = 0;
}

/* All or nothing: a turn that was begun must end. */
static bool watch_regions(const struct object *object, set_callback *set)
{
    get_active_level = (int (*)(void))lookup_in(object->map, "omp_get_active_level");
    bool is_ready = get_active_level && set && set(CALLBACK_PARALLEL_END, (void (*)(void))end_parallel) &&
                    set(CALLBACK_PARALLEL_BEGIN, (void (*)(void))begin_parallel);
    store_relaxed(&watching, is_ready); /* asked by threads for which libomp is initialised */
    return is_ready;
}

bool libomp_watches_itself(void)
{
    return load_relaxed(&watching);
}

/* ---- the tool ---- */

static int initialize(void (*(*lookup)(const char *name))(void), int device, uint64_t *data)
{
    struct object object;
    (void)device;
    (void)data;
    if (runtime_of((const void *)lookup, &object) != RUNTIME_LIBOMP)
        return 0;
    if (settings.counts != COUNTS_HOST)
        set_defaults(&object);
    return watch_regions(&object, (set_callback *)lookup("ompt_set_callback")); /* 0: not wanted any further */
}

static void finalize(uint64_t *data)
{
    (void)data;
    store_relaxed(&watching, false);
}

/* What the program would have without us: the next tool in line, if any. libomp has a function of this name itself,
 * which looks behind itself for another; where that is us again, nobody has one. */
static struct tool *next_tool(unsigned omp_version, const char *runtime_version)
{
    static bool is_asking;
    struct tool *tool = NULL;
    if (!cas_acquire(&is_asking, false, true))
        return NULL;
    start_tool *next = (start_tool *)lookup_next("ompt_start_tool");
    if (next && next != ompt_start_tool)
        tool = next(omp_version, runtime_version);
    store_release(&is_asking, false);
    return tool;
}

/* It is still to be looked for, and goes before. */
static bool user_has_tool(void)
{
    static const char name[] = "OMP_TOOL_LIBRARIES=";
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, name, sizeof name - 1) == 0)
            return true;
    return false;
}

struct tool *ompt_start_tool(unsigned omp_version, const char *runtime_version)
{
    static struct tool ours = {initialize, finalize, 0};
    struct tool *tool = next_tool(omp_version, runtime_version);
    struct object object;
    if (tool || !startup() || settings.mode != MODE_MANAGED || runtime_of(CALLER, &object) != RUNTIME_LIBOMP)
        return tool;
    return user_has_tool() ? NULL : &ours;
}
