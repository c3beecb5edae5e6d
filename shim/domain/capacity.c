#include "shim/domain/capacity.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "shim/domain/hierarchy.h"

/* More CPUs than any kernel is built for (8192 on x86-64). */
enum { MASK_BYTES = 16384 / 8 };

/* ---- its quota ---- */

static unsigned quota_of(const char *root, const char *directory, enum cgroup_version version)
{
    char quota[HIERARCHY_NUMBER], period[HIERARCHY_NUMBER];
    if (version == CGROUP_V2)
        return cgroup_quota_v2(quota, hierarchy_read(root, directory, "/cpu.max", quota));
    size_t quota_length = hierarchy_read(root, directory, "/cpu.cfs_quota_us", quota);
    size_t period_length = hierarchy_read(root, directory, "/cpu.cfs_period_us", period);
    return cgroup_quota_v1(quota, quota_length, period, period_length);
}

/* The least quota from the process's own cgroup up; of equal ones the uppermost is named, which is where to change it.
 */
static void read_quota(const char *root, struct capacity *capacity, enum cgroup_version *version)
{
    struct cgroup_place place;
    if (!hierarchy_find(root, "cpu", version, &place))
        return;
    do {
        unsigned quota = quota_of(root, place.directory, *version);
        if (!quota || (capacity->quota && quota > capacity->quota))
            continue;
        capacity->quota = quota;
        memcpy(capacity->cgroup, place.directory, place.length + 1);
    } while (cgroup_place_up(&place));
}

/* ---- affinity ---- */

/* Linux refuses only a mask that is too small. Should it refuse for another reason, one CPU is certain. */
static unsigned read_affinity(void)
{
    unsigned char mask[MASK_BYTES] __attribute__((aligned(__alignof__(cpu_set_t))));
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask))
        return 1;
    int count = CPU_COUNT_S(sizeof mask, (cpu_set_t *)(void *)mask);
    return count > 0 ? (unsigned)count : 1;
}

void capacity_read_quota(const char *root, struct capacity *capacity)
{
    enum cgroup_version version = CGROUP_NONE;
    int saved_errno = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    *capacity = (struct capacity){0};
    read_quota(root, capacity, &version);
    pthread_setcancelstate(cancel, NULL);
    errno = saved_errno;
    capacity->limit = version == CGROUP_V1 ? CAPACITY_CGROUP_V1 : CAPACITY_CGROUP_V2;
}

void capacity_read(const char *root, struct capacity *capacity)
{
    capacity_read_quota(root, capacity);
    int saved_errno = errno;
    capacity->affinity = read_affinity();
    errno = saved_errno;
    bool quota_rules = capacity->quota && capacity->quota < capacity->affinity;
    capacity->cpus = quota_rules ? capacity->quota : capacity->affinity;
    if (!quota_rules)
        capacity->limit = CAPACITY_AFFINITY;
}
