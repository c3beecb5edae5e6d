/* Capacity: the CPUs that this process may use here, and which limit says so.
 *
 * capacity = CPUs of the affinity mask, but no more than the cgroup quota, and at least 1. */
#ifndef UNIRUN_SHIM_DOMAIN_CAPACITY_H
#define UNIRUN_SHIM_DOMAIN_CAPACITY_H

#include "policy/cgroup.h"

/* What gives the number. The quota does only where it is less than the mask. */
enum capacity_limit { CAPACITY_AFFINITY, CAPACITY_CGROUP_V1, CAPACITY_CGROUP_V2 };

struct capacity {
    unsigned cpus;     /* min(affinity, quota), at least 1 */
    unsigned affinity; /* CPUs in the calling thread's mask, at least 1 */
    unsigned quota;    /* whole CPUs that the tightest cgroup allows; 0: no limit */
    enum capacity_limit limit;
    char cgroup[CGROUP_PATH]; /* the directory with that quota; empty without one */
};

/* Reads the capacity as it is now. `root` is put before every path that is opened: "" for the machine, the directory of
 * a made-up tree for a test; the mask is the calling thread's in either case.
 *
 * Context: any thread, fork child, before constructors. Takes no lock, allocates nothing, keeps no descriptor, leaves
 * errno alone, is no cancellation point. Opens about ten files: for slow paths only. */
void capacity_read(const char *root, struct capacity *capacity);

/* The same for the quota alone, as if the mask had more CPUs: quota, limit and cgroup. */
void capacity_read_quota(const char *root, struct capacity *capacity);

#endif
