#include "shim/domain/memory.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "shim/domain/hierarchy.h"

/* ---- one cgroup ---- */

/* The names of its files. */
struct names {
    const char *limits[2]; /* beyond the second one is slowed down, and not killed: that is no better */
    const char *usage, *inactive;
};
static const struct names names_v1 = {
    {"/memory.limit_in_bytes", NULL}, "/memory.usage_in_bytes", "total_inactive_file"};
static const struct names names_v2 = {{"/memory.max", "/memory.high"}, "/memory.current", "inactive_file"};

static uint64_t limit_of(const char *root, const char *directory, const struct names *names)
{
    uint64_t least = CGROUP_NO_LIMIT;
    for (int i = 0; i < 2 && names->limits[i]; i++) {
        char text[HIERARCHY_NUMBER];
        uint64_t limit = cgroup_memory_limit(text, hierarchy_read(root, directory, names->limits[i], text));
        least = limit < least ? limit : least;
    }
    return least;
}

/* Most have no limit, and are not asked for more. */
static uint64_t left_in(const char *root, const char *directory, const struct names *names)
{
    char text[HIERARCHY_NUMBER];
    uint64_t inactive = 0, limit = limit_of(root, directory, names);
    if (limit == CGROUP_NO_LIMIT)
        return limit;
    uint64_t usage = cgroup_memory_usage(text, hierarchy_read(root, directory, names->usage, text));
    hierarchy_read_line(root, directory, "/memory.stat", names->inactive, &inactive);
    return cgroup_memory_left(limit, usage, inactive);
}

/* ---- all of them ---- */

static uint32_t number_of(const char *directory)
{
    uint32_t hash = UINT32_C(2166136261);
    while (*directory)
        hash = (hash ^ (unsigned char)*directory++) * UINT32_C(16777619);
    return hash ? hash : 1;
}

/* Lowers `*least` to what is left in one of them. */
static void look_at_cgroups(const char *root, const struct memory *memory, uint64_t *least, uint32_t *scope)
{
    struct cgroup_place place = memory->place;
    do {
        uint64_t left = left_in(root, place.directory, memory->version == CGROUP_V1 ? &names_v1 : &names_v2);
        if (left < *least) {
            *least = left;
            *scope = number_of(place.directory);
        }
    } while (cgroup_place_up(&place));
}

static uint64_t left_in_machine(const char *root)
{
    uint64_t available;
    return hierarchy_read_line(root, "", "/proc/meminfo", "MemAvailable:", &available) ? available : CGROUP_NO_LIMIT;
}

/* ---- entry ---- */

void memory_find(const char *root, struct memory *memory)
{
    int saved = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (!hierarchy_find(root, "memory", &memory->version, &memory->place))
        memory->version = CGROUP_NONE;
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
}

unsigned memory_available(const char *root, const struct memory *memory, uint32_t *scope)
{
    enum { MIB_SHIFT = 20 };
    int saved = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    uint64_t left = left_in_machine(root);
    *scope = 0;
    if (memory->version != CGROUP_NONE)
        look_at_cgroups(root, memory, &left, scope);
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
    left >>= MIB_SHIFT;
    return left > UINT_MAX ? UINT_MAX : (unsigned)left;
}
