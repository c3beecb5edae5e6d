#include "policy/count.h"

unsigned count_limit(unsigned cpus, unsigned quota)
{
    return quota && quota < cpus ? quota : cpus;
}

/* ---- what the user said ---- */

/* OMP_DISPLAY_AFFINITY prints the mask that libgomp read. */
static const char *const libgomp_variables[] = {"OMP_NUM_THREADS",
                                                "OMP_NUM_THREADS_ALL",
                                                "OMP_PROC_BIND",
                                                "OMP_PLACES",
                                                "GOMP_CPU_AFFINITY",
                                                "OMP_DISPLAY_AFFINITY",
                                                NULL};
/* OMP_TOOL_LIBRARIES names tools that get their turn only where no other is found: see omp_tool.c. */
static const char *const libomp_variables[] = {
    "OMP_NUM_THREADS", "OMP_NUM_THREADS_ALL", "KMP_ALL_THREADS",   "OMP_PROC_BIND",      "OMP_PLACES",
    "KMP_AFFINITY",    "KMP_HW_SUBSET",       "GOMP_CPU_AFFINITY", "OMP_TOOL_LIBRARIES", NULL};
/* OPENBLAS_MAIN_FREE, which NumPy sets, forbids binding. */
static const char *const openblas_variables[] = {"OPENBLAS_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS",
                                                 "GOTO_NUM_THREADS", "OMP_NUM_THREADS", NULL};

static const char *const *variables_of(enum runtime runtime)
{
    static const char *const none[] = {NULL};
    switch (runtime) {
    case RUNTIME_LIBGOMP:
        return libgomp_variables;
    case RUNTIME_LIBOMP:
        return libomp_variables;
    case RUNTIME_OPENBLAS:
        return openblas_variables;
    default:
        return none;
    }
}

static bool is_of(const char *entry, const char *name)
{
    for (; *name; entry++, name++)
        if (*entry != *name)
            return false;
    return *entry == '=';
}

bool count_is_left_open(enum runtime runtime, char *const *env)
{
    for (; env && *env; env++)
        for (const char *const *name = variables_of(runtime); *name; name++)
            if (is_of(*env, *name))
                return false;
    return true;
}

/* ---- masks ---- */

unsigned count_cpus(const unsigned char *mask, size_t size)
{
    unsigned cpus = 0;
    for (size_t i = 0; i < size; i++)
        for (unsigned rest = mask[i]; rest; rest &= rest - 1)
            cpus++;
    return cpus;
}

void count_cut(unsigned char *mask, size_t size, unsigned keep)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char kept = 0;
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            if (!keep || !(mask[i] & bit))
                continue;
            kept |= (unsigned char)bit;
            keep--;
        }
        mask[i] = kept;
    }
}
