/* Memory that is to be had here: in the machine, and in the cgroups around this process. Swap is not counted.
 *
 * Context: any thread, fork child, before constructors. Takes no lock, allocates nothing, keeps no descriptor, leaves
 * errno alone, is no cancellation point. Opens several files: for slow paths only. */
#ifndef UNIRUN_SHIM_DOMAIN_MEMORY_H
#define UNIRUN_SHIM_DOMAIN_MEMORY_H

#include "policy/cgroup.h"

/* Where to look; it takes longer to find than to read. */
struct memory {
    enum cgroup_version version; /* CGROUP_NONE: the machine alone counts */
    struct cgroup_place place;
};

/* `root` is put before every path that is opened: "" for the machine. */
void memory_find(const char *root, struct memory *memory);

/* The MiB that can be had now; as many as there can be where no limit is known. `*scope` is a number of the cgroup that
 * has the least: for all processes in it the same, which share what is left; 0: that is the machine. */
unsigned memory_available(const char *root, const struct memory *memory, uint32_t *scope);

#endif
