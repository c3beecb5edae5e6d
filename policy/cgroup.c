#include "policy/cgroup.h"

#include <limits.h>
#include <stdint.h>

/* ---- text that ends at a length, not at a NUL ---- */

struct text {
    const char *start;
    size_t length;
};

static bool is(struct text text, const char *word)
{
    size_t i = 0;
    while (i < text.length && word[i] && word[i] == text.start[i])
        i++;
    return i == text.length && !word[i];
}

/* Cuts the text up to the next `separator` off `*rest`, which loses the separator too. At the end: all of it. */
static struct text cut(struct text *rest, char separator)
{
    struct text head = {rest->start, 0};
    while (head.length < rest->length && rest->start[head.length] != separator)
        head.length++;
    size_t gone = head.length + (head.length < rest->length);
    *rest = (struct text){rest->start + gone, rest->length - gone};
    return head;
}

static bool list_has(struct text list, const char *word)
{
    while (list.length)
        if (is(cut(&list, ','), word))
            return true;
    return false;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline and backslash as a backslash and three octal digits. Returns the length of what
 * it wrote to `out`, or 0 where that does not fit. */
static size_t unescape(struct text text, char *out, size_t most)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        const char *c = text.start + i;
        bool escape = *c == '\\' && text.length - i > 3 && is_octal(c[1]) && is_octal(c[2]) && is_octal(c[3]);
        if (length == most)
            return 0;
        out[length++] = escape ? (char)((c[1] - '0') * 64 + (c[2] - '0') * 8 + (c[3] - '0')) : *c;
        i += escape ? 3 : 0;
    }
    return length;
}

/* An absolute path without a ".." to leave it by, as seen from inside a cgroup namespace for a cgroup outside of it. */
static bool is_plain_path(struct text path)
{
    if (!path.length || path.start[0] != '/')
        return false;
    while (path.length)
        if (is(cut(&path, '/'), ".."))
            return false;
    return true;
}

/* "/" is the empty prefix of every path below it. */
static struct text without_final_slash(struct text path)
{
    while (path.length && path.start[path.length - 1] == '/')
        path.length--;
    return path;
}

/* ---- /proc/self/cgroup: "ID:CONTROLLERS:PATH" ---- */

void cgroup_membership_line(struct cgroup_membership *membership, const char *line, size_t length)
{
    struct text path = {line, length};
    struct text id = cut(&path, ':');
    struct text controllers = cut(&path, ':');
    enum cgroup_version version = is(id, "0") && !controllers.length              ? CGROUP_V2
                                  : list_has(controllers, membership->controller) ? CGROUP_V1
                                                                                  : CGROUP_NONE;
    if (version == CGROUP_NONE || (version == CGROUP_V2 && membership->version == CGROUP_V1))
        return;
    membership->doubt = version == membership->version || !is_plain_path(path) || path.length >= CGROUP_PATH;
    membership->version = version;
    membership->length = membership->doubt ? 0 : without_final_slash(path).length;
    for (size_t i = 0; i < membership->length; i++)
        membership->path[i] = path.start[i];
    membership->path[membership->length] = 0;
}

bool cgroup_membership_known(const struct cgroup_membership *membership)
{
    return membership->version != CGROUP_NONE && !membership->doubt;
}

/* ---- /proc/self/mountinfo: "ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS" ---- */

struct mount {
    struct text root, point, type, super_options;
};

static bool parse_mount(struct text line, struct mount *mount)
{
    for (int i = 0; i < 3; i++)
        cut(&line, ' ');
    mount->root = cut(&line, ' ');
    mount->point = cut(&line, ' ');
    cut(&line, ' ');
    while (line.length && !is(cut(&line, ' '), "-"))
        ;
    mount->type = cut(&line, ' ');
    cut(&line, ' ');
    mount->super_options = line;
    return mount->type.length > 0;
}

static bool is_mount_of(const struct mount *mount, const struct cgroup_membership *membership)
{
    if (membership->version == CGROUP_V2)
        return is(mount->type, "cgroup2");
    return is(mount->type, "cgroup") && list_has(mount->super_options, membership->controller);
}

/* Whether the cgroup `path` is `root` or below it. Both without final slash. */
static bool is_within(struct text path, struct text root)
{
    if (path.length < root.length)
        return false;
    for (size_t i = 0; i < root.length; i++)
        if (path.start[i] != root.start[i])
            return false;
    return path.length == root.length || path.start[root.length] == '/';
}

bool cgroup_mount_line(const char *line, size_t length, const struct cgroup_membership *membership,
                       struct cgroup_place *place)
{
    struct mount mount;
    if (!parse_mount((struct text){line, length}, &mount) || !is_mount_of(&mount, membership))
        return false;

    /* The directory's buffer holds the root first: what remains of the path is taken from the membership. */
    struct text root = {place->directory, unescape(mount.root, place->directory, CGROUP_PATH)};
    if (!is_plain_path(root))
        return false;
    root = without_final_slash(root);
    struct text path = {membership->path, membership->length};
    if (!is_within(path, root))
        return false;
    place->root = root.length;

    struct text below = {path.start + root.length, path.length - root.length};
    struct text point = {place->directory, unescape(mount.point, place->directory, CGROUP_PATH)};
    if (!is_plain_path(point) || point.length + below.length >= CGROUP_PATH)
        return false;
    place->top = without_final_slash(point).length;
    place->length = place->top + below.length;
    for (size_t i = 0; i < below.length; i++)
        place->directory[place->top + i] = below.start[i];
    place->directory[place->length] = 0;
    return true;
}

/* Where every system has its cgroups, and where their owner will look. */
static bool is_usual(const struct cgroup_place *place)
{
    static const char usual[] = "/sys/fs/cgroup";
    const size_t length = sizeof usual - 1;
    if (place->top < length || (place->top > length && place->directory[length] != '/'))
        return false;
    return is((struct text){place->directory, length}, usual);
}

bool cgroup_place_is_better(const struct cgroup_place *a, const struct cgroup_place *b)
{
    if (a->root != b->root)
        return a->root < b->root;
    return is_usual(a) || !is_usual(b);
}

bool cgroup_place_up(struct cgroup_place *place)
{
    if (place->length <= place->top)
        return false;
    do
        place->length--;
    while (place->length > place->top && place->directory[place->length] != '/');
    place->directory[place->length] = 0;
    return true;
}

/* ---- quotas ---- */

static bool parse_number(struct text text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)text.start[i] - '0';
        if (digit > 9 || *number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return text.length > 0;
}

static struct text without_newline(const char *start, size_t length)
{
    return (struct text){start, length && start[length - 1] == '\n' ? length - 1 : length};
}

/* "max" and "-1" are no numbers, so the words for "no limit" need no case of their own. */
static unsigned whole_cpus(struct text quota, struct text period)
{
    uint64_t used, of;
    if (!parse_number(quota, &used) || !parse_number(period, &of) || !used || !of)
        return 0;
    uint64_t cpus = used / of;
    return cpus > UINT_MAX ? UINT_MAX : cpus ? (unsigned)cpus : 1;
}

unsigned cgroup_quota_v2(const char *max, size_t length)
{
    struct text period = without_newline(max, length);
    struct text quota = cut(&period, ' ');
    return whole_cpus(quota, period);
}

unsigned cgroup_quota_v1(const char *quota, size_t quota_length, const char *period, size_t period_length)
{
    return whole_cpus(without_newline(quota, quota_length), without_newline(period, period_length));
}

/* ---- memory ---- */

/* v1 says that there is no limit by the largest number of whole pages. */
uint64_t cgroup_memory_limit(const char *text, size_t length)
{
    uint64_t limit;
    bool is_limit = parse_number(without_newline(text, length), &limit) && limit < UINT64_C(1) << 62;
    return is_limit ? limit : CGROUP_NO_LIMIT;
}

uint64_t cgroup_memory_usage(const char *text, size_t length)
{
    uint64_t usage;
    return parse_number(without_newline(text, length), &usage) ? usage : 0;
}

bool cgroup_memory_line(const char *line, size_t length, const char *name, uint64_t *bytes)
{
    struct text rest = {line, length};
    if (!is(cut(&rest, ' '), name))
        return false;
    while (rest.length && *rest.start == ' ')
        cut(&rest, ' ');
    bool is_number = parse_number(cut(&rest, ' '), bytes);
    if (is(rest, "kB"))
        *bytes *= 1024;
    return is_number;
}

uint64_t cgroup_memory_left(uint64_t limit, uint64_t usage, uint64_t inactive_files)
{
    uint64_t kept = usage > inactive_files ? usage - inactive_files : 0;
    return limit > kept ? limit - kept : 0;
}
