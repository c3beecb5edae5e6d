/* libomp's start-up size.
 *
 * libomp binds its threads to the mask that it reads, and counts it for ever: a cut answer would be more than a
 * start-up size. But it asks for a tool (OMPT) when it initialises, and calls the tool once it has read its environment
 * and before anybody can have asked for a size: the moment for kmp_set_defaults(), its own function for such defaults.
 *
 * This is exported, and no row of the switchboard: where nobody behind us has a tool there is nothing to jump to. */
#include <stdint.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/domain/counts.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"
#include "shim/switchboard/switchboard.h"

#define CALLER __builtin_return_address(0)

/* OpenMP 5.0, 4.2.1: what ompt_start_tool() returns. */
struct tool {
    int (*initialize)(void (*(*lookup)(const char *name))(void), int device, uint64_t *data);
    void (*finalize)(uint64_t *data);
    uint64_t data;
};
typedef struct tool *start_tool(unsigned omp_version, const char *runtime_version);

__attribute__((visibility("default"))) start_tool ompt_start_tool;

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
static void set_defaults(const void *address)
{
    struct object object;
    char setting[32];
    if (runtime_of(address, &object) != RUNTIME_LIBOMP)
        return;
    void (*set)(const char *) = (void (*)(const char *))lookup_in(object.map, "kmp_set_defaults");
    unsigned cpus = own_cpus(), limited = set ? counts_for_runtime(RUNTIME_LIBOMP, &object, cpus) : cpus;
    if (limited >= cpus)
        return;
    write_setting(setting, limited);
    set(setting);
}

static int initialize(void (*(*lookup)(const char *name))(void), int device, uint64_t *data)
{
    (void)device;
    (void)data;
    set_defaults((const void *)lookup);
    return 0; /* the tool is not wanted any further */
}

static void finalize(uint64_t *data)
{
    (void)data;
}

/* What the program would have without us: the next tool in line, if any. libomp has a function of this name itself,
 * which looks behind itself for another; where that is us again, nobody has one. */
static struct tool *next_tool(unsigned omp_version, const char *runtime_version)
{
    static const struct lookup wanted = {"ompt_start_tool", NULL};
    static bool is_asking;
    start_tool *next = NULL;
    struct tool *tool = NULL;
    if (!cas_acquire(&is_asking, false, true))
        return NULL;
    lookup_next(1, &wanted, (void **)&next);
    if (next && next != ompt_start_tool)
        tool = next(omp_version, runtime_version);
    store_release(&is_asking, false);
    return tool;
}

struct tool *ompt_start_tool(unsigned omp_version, const char *runtime_version)
{
    static struct tool ours = {initialize, finalize, 0};
    struct tool *tool = next_tool(omp_version, runtime_version);
    if (tool || !startup() || settings.mode != MODE_MANAGED || settings.counts == COUNTS_HOST)
        return tool;
    /* A tool of the user's that is still to be looked for goes before, as count_is_left_open() has it. */
    struct object object;
    bool is_open = runtime_of(CALLER, &object) == RUNTIME_LIBOMP && count_is_left_open(RUNTIME_LIBOMP, environ);
    return is_open ? &ours : NULL;
}
