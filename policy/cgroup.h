/* What the cgroups of a process allow it: text of the kernel's files in, a place or a number out.
 *
 * Pure: no system call, allocation, clock or global. One rule decides every unclear case: a limit that is not certain
 * is no limit, because a wrong one would slow a program down for no reason that its owner could find. */
#ifndef UNIRUN_POLICY_CGROUP_H
#define UNIRUN_POLICY_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest path of a cgroup that is looked at, with its final NUL; a longer one is in doubt. */
enum { CGROUP_PATH = 1024 };

/* Which hierarchy has the controller that is asked about. */
enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* Where a process is in a hierarchy, as /proc/self/cgroup says it. */
struct cgroup_membership {
    const char *controller; /* "cpu", "pids": set by who asks */
    enum cgroup_version version;
    bool doubt; /* the file contradicts itself, or has a path that cannot be followed */
    size_t length;
    char path[CGROUP_PATH];
};

/* The directory of that place in the file system. directory[0..top) is the mount point, the uppermost directory that
 * can be read; `root` is the length of the mount's root, zero where the mount shows the whole hierarchy. */
struct cgroup_place {
    size_t root, top, length;
    char directory[CGROUP_PATH];
};

/* Takes in one line of /proc/self/cgroup, without its newline. Start with a struct of zeroes but for `controller` and
 * call it for every line. A v1 hierarchy with the controller goes before v2: it is in one of them only. */
void cgroup_membership_line(struct cgroup_membership *membership, const char *line, size_t length);

/* Whether the file, read to its end, told a place that can be looked for. */
bool cgroup_membership_known(const struct cgroup_membership *membership);

/* Reads one line of /proc/self/mountinfo, without its newline. Returns whether it is a mount of the hierarchy in
 * which `membership` is, and shows its cgroup; then `*place` is where. */
bool cgroup_mount_line(const char *line, size_t length, const struct cgroup_membership *membership,
                       struct cgroup_place *place);

/* Whether `a` is to be preferred to `b`, an earlier line's. The one that shows more ancestors is; of two that show as
 * many the limit is the same, so the one at /sys/fs/cgroup, or below it, is named: the other is a copy, such as that in
 * a chroot's /sys. Otherwise the later mount may hide the earlier. */
bool cgroup_place_is_better(const struct cgroup_place *a, const struct cgroup_place *b);

/* Goes up to the parent directory, whose limit counts as well. Returns false at the mount point, with no change. */
bool cgroup_place_up(struct cgroup_place *place);

/* The whole CPUs that the text of cpu.max allows, rounded down, at least 1; 0 for no limit. */
unsigned cgroup_quota_v2(const char *max, size_t length);

/* The same for the texts of cpu.cfs_quota_us and cpu.cfs_period_us. */
unsigned cgroup_quota_v1(const char *quota, size_t quota_length, const char *period, size_t period_length);

/* ---- memory, in bytes ---- */

#define CGROUP_NO_LIMIT UINT64_MAX

/* The text of memory.max, memory.high or memory.limit_in_bytes; in doubt there is no limit. */
uint64_t cgroup_memory_limit(const char *text, size_t length);

/* The text of memory.current or memory.usage_in_bytes; in doubt nothing is used. */
uint64_t cgroup_memory_usage(const char *text, size_t length);

/* If the line, without its newline, is "NAME NUMBER" (memory.stat) or "NAME: NUMBER kB" (/proc/meminfo), the number of
 * bytes that it says. */
bool cgroup_memory_line(const char *line, size_t length, const char *name, uint64_t *bytes);

/* What of a limit is still to be had; files that nobody has used lately go when memory is needed. */
uint64_t cgroup_memory_left(uint64_t limit, uint64_t usage, uint64_t inactive_files);

#endif
