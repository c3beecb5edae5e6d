/* The capacity in made-up trees: what the kernel's files may look like, and what must follow from each. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/domain/capacity.h"
#include "shim/domain/memory.h"

/* ---- a tree: a directory of its own for each test ---- */

static char tree[64];

static int make_tree(void **state)
{
    (void)state;
    strcpy(tree, "/tmp/test_cgroup.XXXXXX");
    return mkdtemp(tree) ? 0 : -1;
}

static int remove_tree(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", tree);
    return system(command);
}

static void put(const char *path, const char *text)
{
    char full[4096];
    snprintf(full, sizeof full, "%s%s", tree, path);
    for (char *slash = full + strlen(tree) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define MOUNT_V2 "41 31 0:38 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1 "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define MOUNT_OTHER                                                                                                    \
    "23 1 0:20 / /proc rw - proc proc rw\n33 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

static struct capacity capacity(void)
{
    struct capacity found;
    capacity_read(tree, &found);
    assert_true(found.cpus >= 1);
    assert_true(found.affinity >= 1);
    return found;
}

static void assert_no_limit(void)
{
    struct capacity found = capacity();
    assert_int_equal(found.quota, 0);
    assert_int_equal(found.limit, CAPACITY_AFFINITY);
    assert_int_equal(found.cpus, found.affinity);
    assert_string_equal(found.cgroup, "");
}

static void assert_quota(unsigned quota, const char *cgroup)
{
    struct capacity found = capacity();
    assert_int_equal(found.quota, quota);
    assert_string_equal(found.cgroup, cgroup);
}

/* A process in /app of a v2 hierarchy, with this cpu.max. */
static void put_v2(const char *max)
{
    put("/proc/self/cgroup", "0::/app\n");
    put("/proc/self/mountinfo", MOUNT_OTHER MOUNT_V2);
    put("/sys/fs/cgroup/app/cpu.max", max);
}

static void put_v1(const char *quota, const char *period)
{
    put("/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/app\n0::/y\n");
    put("/proc/self/mountinfo", MOUNT_OTHER MOUNT_V1);
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", quota);
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", period);
}

/* ---- how much ---- */

static void fractions_are_rounded_down_to_at_least_one_cpu(void **state)
{
    static const struct {
        const char *quota;
        unsigned cpus;
    } cases[] = {{"25000", 1}, {"100000", 1}, {"150000", 1}, {"765000", 7}, {"6400000", 64}, {"1", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char max[64];
        snprintf(max, sizeof max, "%s 100000\n", cases[i].quota);
        put_v2(max);
        assert_quota(cases[i].cpus, "/sys/fs/cgroup/app");
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char quota[64];
        snprintf(quota, sizeof quota, "%s\n", cases[i].quota);
        put_v1(quota, "100000\n");
        assert_quota(cases[i].cpus, "/sys/fs/cgroup/cpu,cpuacct/app");
    }
}

static void the_period_counts(void **state)
{
    (void)state;
    put_v2("30000 10000\n");
    assert_quota(3, "/sys/fs/cgroup/app");
    put_v1("30000\n", "10000\n");
    assert_quota(3, "/sys/fs/cgroup/cpu,cpuacct/app");
}

static void the_last_line_needs_no_newline(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/app");
    put("/proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    put("/sys/fs/cgroup/app/cpu.max", "300000 100000");
    assert_quota(3, "/sys/fs/cgroup/app");
}

static void no_limit_is_said_as_max_or_minus_one(void **state)
{
    (void)state;
    put_v2("max 100000\n");
    assert_no_limit();
    put_v1("-1\n", "100000\n");
    assert_no_limit();
}

static void a_doubtful_quota_is_no_limit(void **state)
{
    static const char *const doubtful[] = {
        "",
        "\n",
        " ",
        "100000",
        "100000\n",
        "100000 \n",
        "100000 0\n",
        "0 100000\n",
        "-5 100000\n",
        "1e5 100000\n",
        "100000 100000 7\n",
        "100000  100000\n",
        "+1 1\n",
        "0x10 1\n",
        "max max\n",
        "100000 -1\n",
        "hello world\n",
        "99999999999999999999 100000\n",
        "100000 99999999999999999999999\n",
        "100000,100000\n",
        "\t1 1\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        put_v2(doubtful[i]);
        assert_no_limit();
    }
}

static void a_doubtful_v1_number_is_no_limit(void **state)
{
    static const char *const doubtful[] = {"", "\n", "0\n", "-2\n", "1.5\n", "99999999999999999999\n", "1 1\n"};
    (void)state;
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        put_v1(doubtful[i], "100000\n");
        assert_no_limit();
        put_v1("100000\n", doubtful[i]);
        assert_no_limit();
    }
}

static void a_number_file_that_is_too_long_is_no_limit(void **state)
{
    (void)state;
    for (int zeros = 40; zeros < 70; zeros++) {
        char max[128];
        snprintf(max, sizeof max, "%0*d 1000000\n", zeros, 900000);
        put_v2(max);
        /* Read short, the period would lose a digit, and the quota be many times as large. */
        assert_true(capacity().quota <= 1);
    }
}

static void a_quota_past_any_machine_does_not_wrap(void **state)
{
    (void)state;
    put_v2("18446744073709551615 1\n");
    assert_quota(UINT_MAX, "/sys/fs/cgroup/app");
    put_v2("4294967297 1\n");
    assert_quota(UINT_MAX, "/sys/fs/cgroup/app");
}

/* ---- where ---- */

static void no_files_are_no_limit(void **state)
{
    (void)state;
    assert_no_limit();
}

static void an_empty_cgroup_file_is_no_limit(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/proc/self/cgroup", "");
    assert_no_limit();
}

static void a_missing_mount_is_no_limit(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/proc/self/mountinfo", MOUNT_OTHER);
    assert_no_limit();
    put("/proc/self/mountinfo", "");
    assert_no_limit();
}

static void a_missing_quota_file_is_no_limit(void **state)
{
    (void)state;
    put_v1("100000\n", "100000\n");
    char path[128];
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", tree);
    assert_int_equal(unlink(path), 0);
    assert_no_limit();
}

static void the_limit_of_the_root_cgroup_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_quota(2, "/sys/fs/cgroup");
}

static void every_ancestor_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c/d\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/a/cpu.max", "700000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/c/d/cpu.max", "500000 100000\n");
    assert_quota(3, "/sys/fs/cgroup/a/b");
}

static void of_equal_limits_the_uppermost_is_named(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    assert_quota(3, "/sys/fs/cgroup/a");
}

static void an_ancestor_counts_where_the_cgroup_itself_is_in_doubt(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b (deleted)\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    assert_quota(3, "/sys/fs/cgroup/a");
}

static void a_namesake_beside_the_path_does_not_count(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/app\n");
    put("/proc/self/mountinfo", "41 31 0:38 /ap /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/p/cpu.max", "100000 100000\n");
    assert_no_limit();
}

static void a_namesake_of_an_ancestor_does_not_count(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/ab/cd\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/ab/c/cpu.max", "100000 100000\n");
    assert_no_limit();
}

static void a_container_sees_its_part_of_the_hierarchy(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:cpu:/docker/abc/inner\n");
    put("/proc/self/mountinfo", "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_quota(2, "/sys/fs/cgroup/cpu");
}

static void a_container_at_the_root_of_its_mount_is_found(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/docker/abc\n");
    put("/proc/self/mountinfo", "32 31 0:29 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_quota(2, "/sys/fs/cgroup");
}

static void a_path_outside_the_mount_is_no_limit(void **state)
{
    static const char *const outside[] = {"0::/..\n",    "0::/../other\n", "0::/app/../..\n",
                                          "0::/other\n", "0::\n",          "0::app\n"};
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        put("/proc/self/cgroup", outside[i]);
        put("/proc/self/mountinfo", "41 31 0:38 /app /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
        assert_no_limit();
    }
}

static void a_mount_from_outside_the_namespace_is_no_limit(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/proc/self/mountinfo", "41 31 0:38 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    assert_no_limit();
}

static void a_name_that_begins_with_dots_is_a_name(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/..app\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/..app/cpu.max", "100000 100000\n");
    assert_quota(1, "/sys/fs/cgroup/..app");
}

static void a_hybrid_system_has_the_controller_in_v1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/unified\n4:cpu,cpuacct:/app\n1:name=systemd:/app\n");
    put("/proc/self/mountinfo", MOUNT_V1 MOUNT_OTHER "42 31 0:39 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/unified/unified/cpu.max", "900000 100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    assert_quota(2, "/sys/fs/cgroup/cpu,cpuacct/app");
}

static void a_hybrid_system_may_have_the_controller_in_v2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:memory:/m\n1:name=systemd:/app\n0::/app\n");
    put("/proc/self/mountinfo", MOUNT_OTHER "42 31 0:39 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/unified/app/cpu.max", "200000 100000\n");
    assert_quota(2, "/sys/fs/cgroup/unified/app");
}

static void cpuset_and_cpuacct_are_not_the_cpu_controller(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "3:cpuset:/app\n2:cpuacct:/app\n");
    put("/proc/self/mountinfo", MOUNT_OTHER MOUNT_V1);
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    assert_no_limit();
}

static void two_places_in_one_hierarchy_are_a_doubt(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/proc/self/cgroup", "0::/app\n0::/app\n");
    assert_no_limit();
}

static void a_colon_in_a_cgroup_name_is_part_of_it(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a:b\n");
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/sys/fs/cgroup/a:b/cpu.max", "100000 100000\n");
    assert_quota(1, "/sys/fs/cgroup/a:b");
}

static void blanks_in_a_mount_point_are_octal(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a b/app\n");
    put("/proc/self/mountinfo", "41 31 0:38 /a\\040b /mnt/c\\040g\\134x rw - cgroup2 cgroup2 rw\n");
    put("/mnt/c g\\x/app/cpu.max", "100000 100000\n");
    assert_quota(1, "/mnt/c g\\x/app");
}

static void the_mount_that_shows_more_is_preferred(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo",
        "41 31 0:38 /a /mnt rw - cgroup2 cgroup2 rw\n" MOUNT_V2 "43 31 0:38 /a/b /mnt2 rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_quota(1, "/sys/fs/cgroup");
}

static void a_later_mount_hides_an_earlier_one(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/app\n");
    put("/proc/self/mountinfo", "40 31 0:38 / /old rw - cgroup2 cgroup2 rw\n" MOUNT_V2);
    put("/old/app/cpu.max", "500000 100000\n");
    put("/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    assert_quota(2, "/sys/fs/cgroup/app");
}

static void the_usual_mount_point_is_named_before_a_copy(void **state)
{
    static const char copy[] = "43 31 0:38 / /srv/chroot/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    char mounts[512];
    (void)state;
    put("/proc/self/cgroup", "0::/app\n");
    put("/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    put("/srv/chroot/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    for (int before = 0; before < 2; before++) {
        snprintf(mounts, sizeof mounts, "%s%s%s", before ? copy : "", MOUNT_V2, before ? "" : copy);
        put("/proc/self/mountinfo", mounts);
        assert_quota(2, "/sys/fs/cgroup/app");
    }
}

static void the_usual_mount_point_of_a_controller_is_below(void **state)
{
    (void)state;
    put_v1("200000\n", "100000\n");
    put("/proc/self/mountinfo",
        MOUNT_V1 "43 31 0:29 / /srv/chroot/sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    assert_quota(2, "/sys/fs/cgroup/cpu,cpuacct/app");
}

static void a_namesake_of_the_usual_mount_point_is_not_it(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/app\n");
    put("/proc/self/mountinfo", MOUNT_V2 "43 31 0:38 / /sys/fs/cgroups rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroups/app/cpu.max", "300000 100000\n");
    assert_quota(2, "/sys/fs/cgroup/app");
    put("/proc/self/mountinfo", "40 31 0:38 / /old rw - cgroup2 cgroup2 rw\n"
                                "43 31 0:38 / /sys/fs/cgroups rw - cgroup2 cgroup2 rw\n");
    assert_quota(3, "/sys/fs/cgroups/app");
}

static void a_copy_that_shows_more_is_preferred_to_the_usual_mount_point(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", "41 31 0:38 / /whole rw - cgroup2 cgroup2 rw\n"
                                "42 31 0:38 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("/whole/cpu.max", "100000 100000\n");
    assert_quota(1, "/whole");
}

static void optional_fields_of_a_mount_may_be_absent_or_many(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/proc/self/mountinfo",
        "41 31 0:38 / /sys/fs/cgroup rw shared:1 master:2 propagate_from:3 unbindable - cgroup2 none rw\n");
    assert_quota(1, "/sys/fs/cgroup/app");
}

static void garbage_in_the_files_is_no_limit(void **state)
{
    static const char *const garbage[] = {"\n\n\n",
                                          "-",
                                          " - ",
                                          "a b c d e f",
                                          "41 31 0:38 / /sys/fs/cgroup rw -",
                                          "41 31 0:38 / /sys/fs/cgroup rw cgroup2 cgroup2 rw\n",
                                          "41 31 0:38 x y rw - cgroup2 cgroup2 rw\n",
                                          "\\\\\\0\\04"};
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        put_v2("100000 100000\n");
        put("/proc/self/mountinfo", garbage[i]);
        assert_no_limit();
        put("/proc/self/mountinfo", MOUNT_V2);
        put("/proc/self/cgroup", garbage[i]);
        assert_no_limit();
    }
}

static void put_filled(const char *path, const char *before, char filler, size_t count, const char *after)
{
    char *text = malloc(strlen(before) + count + strlen(after) + 1);
    assert_non_null(text);
    strcpy(text, before);
    memset(text + strlen(before), filler, count);
    strcpy(text + strlen(before) + count, after);
    put(path, text);
    free(text);
}

static void very_long_lines_of_others_do_not_hide_the_mount(void **state)
{
    (void)state;
    for (size_t length = 1900; length < 2200; length++) {
        put_v2("100000 100000\n");
        put_filled("/proc/self/mountinfo", "50 1 0:44 / /overlay rw - overlay overlay rw,lowerdir=", 'x', length,
                   "\n" MOUNT_V2);
        assert_quota(1, "/sys/fs/cgroup/app");
    }
    put_filled("/proc/self/mountinfo", "50 1 0:44 / /overlay rw - overlay overlay rw,lowerdir=", 'x', 100000,
               "\n" MOUNT_V2);
    assert_quota(1, "/sys/fs/cgroup/app");
}

static void the_end_of_a_long_line_is_no_line(void **state)
{
    (void)state;
    for (size_t length = 1900; length < 2200; length++) {
        put_v2("100000 100000\n");
        put_filled("/proc/self/mountinfo", "50 1 0:44 / /overlay rw - overlay overlay ", 'x', length, MOUNT_V2);
        assert_no_limit();
    }
}

static void a_path_that_is_too_long_is_no_limit(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    put_filled("/proc/self/cgroup", "0::/", 'x', 5000, "\n");
    assert_no_limit();
    put_filled("/proc/self/cgroup", "0::/", 'x', CGROUP_PATH - 8, "\n");
    assert_no_limit();
    put("/proc/self/cgroup", "0::/app\n");
    put_filled("/proc/self/mountinfo", "41 31 0:38 / /", 'x', 1900, " rw - cgroup2 cgroup2 rw\n");
    assert_no_limit();
}

/* ---- which limit, and what it leaves behind ---- */

/* Runs with a mask of one CPU, and puts the mask back. */
static struct capacity on_one_cpu(void)
{
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct capacity found = capacity();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    return found;
}

static void the_affinity_mask_limits_a_larger_quota(void **state)
{
    (void)state;
    put_v2("800000 100000\n");
    struct capacity found = on_one_cpu();
    assert_int_equal(found.cpus, 1);
    assert_int_equal(found.affinity, 1);
    assert_int_equal(found.quota, 8);
    assert_int_equal(found.limit, CAPACITY_AFFINITY);
}

static void the_affinity_mask_is_named_where_both_are_equal(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    assert_int_equal(on_one_cpu().limit, CAPACITY_AFFINITY);
}

static void a_smaller_quota_limits_the_mask(void **state)
{
    (void)state;
    if (capacity().affinity < 2)
        skip();
    put_v2("100000 100000\n");
    assert_int_equal(capacity().limit, CAPACITY_CGROUP_V2);
    assert_int_equal(capacity().cpus, 1);
    put_v1("50000\n", "100000\n");
    assert_int_equal(capacity().limit, CAPACITY_CGROUP_V1);
    assert_int_equal(capacity().cpus, 1);
}

static void reading_leaves_no_descriptor_and_no_errno(void **state)
{
    (void)state;
    put_v2("100000 100000\n");
    int before = open("/dev/null", O_RDONLY);
    close(before);
    errno = ENOTTY;
    (void)capacity();
    assert_int_equal(errno, ENOTTY);
    int after = open("/dev/null", O_RDONLY);
    close(after);
    assert_int_equal(before, after);
}

static void the_machine_itself_can_be_read(void **state)
{
    struct capacity found;
    (void)state;
    capacity_read("", &found);
    assert_true(found.cpus >= 1);
    assert_true(found.cpus <= found.affinity);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

/* ---- memory ---- */

#define MEMORY_V1 "36 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define MEMINFO "MemTotal:       8000000 kB\nMemFree:          123456 kB\nMemAvailable:    4194304 kB\n"

static unsigned available(uint32_t *scope)
{
    struct memory where;
    memory_find(tree, &where);
    return memory_available(tree, &where, scope);
}

static void assert_available(unsigned mib, bool in_cgroup)
{
    uint32_t scope;
    assert_int_equal(available(&scope), mib);
    assert_int_equal(scope != 0, in_cgroup);
}

static void nobody_says_how_much_memory_there_is(void **state)
{
    (void)state;
    assert_available(UINT_MAX, false);
    put("/proc/meminfo", MEMINFO);
    assert_available(4096, false);
    put("/proc/meminfo", "MemAvailable: much\n");
    assert_available(UINT_MAX, false);
}

static void memory_is_the_least_of_all_cgroups_v2(void **state)
{
    (void)state;
    uint32_t inner, outer;
    put("/proc/meminfo", MEMINFO);
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", MOUNT_OTHER MOUNT_V2);
    assert_available(4096, false);
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/a/memory.current", "629145600\n");
    put("/sys/fs/cgroup/a/memory.stat", "anon 1\nfile 209715200\ninactive_file 104857600\nactive_file 7\n");
    assert_available(1024 - 600 + 100, true);
    available(&outer);
    put("/sys/fs/cgroup/a/b/memory.high", "104857600\n");
    put("/sys/fs/cgroup/a/b/memory.current", "31457280\n"); /* no memory.stat */
    assert_available(70, true);
    available(&inner);
    assert_int_not_equal(inner, outer);
    put("/sys/fs/cgroup/a/b/memory.current", "999999999\n");
    assert_available(0, true);
    put("/sys/fs/cgroup/a/b/memory.high", "1e9\n");
    assert_available(524, true);
}

static void memory_is_the_least_of_all_cgroups_v1(void **state)
{
    (void)state;
    put("/proc/meminfo", MEMINFO);
    put("/proc/self/cgroup", "4:memory:/job\n1:cpu:/\n0::/\n");
    put("/proc/self/mountinfo", MEMORY_V1 MOUNT_V2);
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "587202560\n");
    put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 20971520\n");
    assert_available(480, true);
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "-1\n");
    assert_available(4096, false);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(nobody_says_how_much_memory_there_is),
        TEST(memory_is_the_least_of_all_cgroups_v2),
        TEST(memory_is_the_least_of_all_cgroups_v1),
        TEST(fractions_are_rounded_down_to_at_least_one_cpu),
        TEST(the_period_counts),
        TEST(the_last_line_needs_no_newline),
        TEST(no_limit_is_said_as_max_or_minus_one),
        TEST(a_doubtful_quota_is_no_limit),
        TEST(a_doubtful_v1_number_is_no_limit),
        TEST(a_number_file_that_is_too_long_is_no_limit),
        TEST(a_quota_past_any_machine_does_not_wrap),
        TEST(no_files_are_no_limit),
        TEST(an_empty_cgroup_file_is_no_limit),
        TEST(a_missing_mount_is_no_limit),
        TEST(a_missing_quota_file_is_no_limit),
        TEST(the_limit_of_the_root_cgroup_counts),
        TEST(every_ancestor_counts),
        TEST(of_equal_limits_the_uppermost_is_named),
        TEST(an_ancestor_counts_where_the_cgroup_itself_is_in_doubt),
        TEST(a_namesake_beside_the_path_does_not_count),
        TEST(a_namesake_of_an_ancestor_does_not_count),
        TEST(a_container_sees_its_part_of_the_hierarchy),
        TEST(a_container_at_the_root_of_its_mount_is_found),
        TEST(a_path_outside_the_mount_is_no_limit),
        TEST(a_mount_from_outside_the_namespace_is_no_limit),
        TEST(a_name_that_begins_with_dots_is_a_name),
        TEST(a_hybrid_system_has_the_controller_in_v1),
        TEST(a_hybrid_system_may_have_the_controller_in_v2),
        TEST(cpuset_and_cpuacct_are_not_the_cpu_controller),
        TEST(two_places_in_one_hierarchy_are_a_doubt),
        TEST(a_colon_in_a_cgroup_name_is_part_of_it),
        TEST(blanks_in_a_mount_point_are_octal),
        TEST(the_mount_that_shows_more_is_preferred),
        TEST(a_later_mount_hides_an_earlier_one),
        TEST(the_usual_mount_point_is_named_before_a_copy),
        TEST(the_usual_mount_point_of_a_controller_is_below),
        TEST(a_namesake_of_the_usual_mount_point_is_not_it),
        TEST(a_copy_that_shows_more_is_preferred_to_the_usual_mount_point),
        TEST(optional_fields_of_a_mount_may_be_absent_or_many),
        TEST(garbage_in_the_files_is_no_limit),
        TEST(very_long_lines_of_others_do_not_hide_the_mount),
        TEST(the_end_of_a_long_line_is_no_line),
        TEST(a_path_that_is_too_long_is_no_limit),
        TEST(the_affinity_mask_limits_a_larger_quota),
        TEST(the_affinity_mask_is_named_where_both_are_equal),
        TEST(a_smaller_quota_limits_the_mask),
        TEST(reading_leaves_no_descriptor_and_no_errno),
        TEST(the_machine_itself_can_be_read),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
