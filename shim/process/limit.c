/* fork(2) says which limits there are, and not which of them was hit. The kernel checks the user's first; but how many
 * processes a user has only a walk through /proc would tell, so what is certain is looked at before. */
#include "shim/process/limit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/domain/hierarchy.h"
#include "shim/libc.h"
#include "shim/os.h"

/* ---- text ---- */

static void put(char text[LIMIT_TEXT], const char *more)
{
    size_t length = strlen(text), add = strlen(more);
    if (length + add < LIMIT_TEXT)
        memcpy(text + length, more, add + 1);
}

static void put_number(char text[LIMIT_TEXT], uint64_t number)
{
    char digits[21], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do
        *--digit = (char)('0' + number % 10);
    while (number /= 10);
    put(text, digit);
}

/* Whether `from` begins with a number; then it is behind it. */
static bool take_number(const char **from, uint64_t *number)
{
    const char *at = *from;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        *number = *number * 10 + (uint64_t)(*at - '0');
    bool any = at != *from;
    *from = at;
    return any;
}

/* ---- limits ---- */

static bool read_number(const char *directory, const char *name, uint64_t *number)
{
    char text[HIERARCHY_NUMBER + 1];
    text[hierarchy_read("", directory, name, text)] = '\0';
    const char *at = text;
    return take_number(&at, number);
}

/* pids.max, from the process's own cgroup up. */
static bool is_cgroup_full(char text[LIMIT_TEXT])
{
    enum cgroup_version version;
    struct cgroup_place place;
    uint64_t now, most;
    if (!hierarchy_find("", "pids", &version, &place))
        return false;
    do {
        if (!read_number(place.directory, "/pids.max", &most) || !read_number(place.directory, "/pids.current", &now) ||
            now < most)
            continue;
        put(text, "pids.max of ");
        put(text, place.length < LIMIT_TEXT / 2 ? place.directory : "a cgroup");
        put(text, " is ");
        put_number(text, most);
        return true;
    } while (cgroup_place_up(&place));
    return false;
}

/* How many threads the machine has: the number behind the slash in /proc/loadavg (proc(5)). */
static uint64_t all_threads(void)
{
    char text[128];
    uint64_t threads = 0;
    const char *at = os_read_file("/proc/loadavg", text, sizeof text) ? strchr(text, '/') : NULL;
    return at && (at++, take_number(&at, &threads)) ? threads : 0;
}

static bool is_machine_full(char text[LIMIT_TEXT])
{
    static const char *const names[] = {"threads-max", "pid_max"};
    uint64_t threads = all_threads();
    for (size_t i = 0; threads && i < sizeof names / sizeof *names; i++) {
        char path[64] = "/";
        uint64_t most;
        strcat(path, names[i]);
        /* Others may have ended since. */
        if (!read_number("/proc/sys/kernel", path, &most) || threads + threads / 64 < most)
            continue;
        put(text, "kernel.");
        put(text, names[i]);
        put(text, " is ");
        put_number(text, most);
        return true;
    }
    return false;
}

static bool has_user_limit(char text[LIMIT_TEXT])
{
    struct rlimit limit;
    if (os_call(SYS_getuid) == 0 || libc.getrlimit(RLIMIT_NPROC, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return false;
    put(text, "RLIMIT_NPROC is ");
    put_number(text, limit.rlim_cur);
    return true;
}

void limit_describe(int error, char text[LIMIT_TEXT])
{
    int saved = errno, cancel;
    text[0] = '\0';
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (error == ENOMEM)
        put(text, "there is no memory for it");
    else if (!is_cgroup_full(text) && !is_machine_full(text))
        has_user_limit(text);
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
}
