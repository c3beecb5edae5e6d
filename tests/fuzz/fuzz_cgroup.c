/* The kernel's files, line by line, with anything in them: paths stay inside their buffers, and quotas are sane. */
#include "policy/cgroup.h"
#include "tests/fuzz/fuzz.h"

static void check_mount(const char *line, size_t length, const struct cgroup_membership *membership)
{
    struct cgroup_place place, other = {0};
    if (!cgroup_mount_line(line, length, membership, &place))
        return;
    REQUIRE(place.length < CGROUP_PATH && place.top <= place.length);
    REQUIRE(strnlen(place.directory, CGROUP_PATH) == place.length);
    (void)cgroup_place_is_better(&place, &other);
    size_t steps = 0;
    while (cgroup_place_up(&place))
        REQUIRE(++steps <= CGROUP_PATH);
    REQUIRE(place.length == place.top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_of(data, size);
    struct cgroup_membership membership = {.controller = "cpu"};
    for (size_t at = 0; text && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        cgroup_membership_line(&membership, text + at, length);
        REQUIRE(strnlen(membership.path, CGROUP_PATH) < CGROUP_PATH);
        check_mount(text + at, length, &membership);
        (void)cgroup_quota_v2(text + at, length);
        (void)cgroup_quota_v1(text + at, length / 2, text + at + length / 2, length - length / 2);
        at += length + 1;
    }
    (void)cgroup_membership_known(&membership);
    free(text);
    return 0;
}
