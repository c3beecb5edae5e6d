/* unirun ps: the members of a domain, as its table shows them. It is looked at, and never written. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim/domain/table.h"
#include "tools/unirun/arguments.h"
#include "tools/unirun/command.h"
#include "tools/unirun/json_text.h"

/* ---- the table ---- */

static char *name_file(const char *domain)
{
    struct stat namespace;
    if (stat("/proc/self/ns/pid", &namespace))
    namespace.st_ino = 0;
    return format_text("/dev/shm/unirun-%d.%u.%lu.%s", TABLE_VERSION, geteuid(), (unsigned long)namespace.st_ino,
                       domain);
}

/* A copy; NULL: there is none yet, for nobody has been in the domain. */
static struct table *read_table(const char *path)
{
    struct table *table = needed(malloc(sizeof *table));
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        free(table);
        return NULL;
    }
    if (fd < 0)
        fail(EXIT_PROBLEM, "%s: %s", path, strerror(errno));
    struct stat file;
    bool is_known = fstat(fd, &file) == 0;
    if (is_known && file.st_uid != geteuid())
        fail(EXIT_PROBLEM, "%s is another user's; nobody uses it", path);
    bool is_whole = is_known && S_ISREG(file.st_mode) && file.st_size == sizeof *table &&
                    read(fd, table, sizeof *table) == (ssize_t)sizeof *table;
    close(fd);
    if (!is_whole || !table_is_sound(table))
        fail(EXIT_PROBLEM, "%s is no table of this version; remove it when no program uses it", path);
    return table;
}

/* ---- members ---- */

/* Field 22 of /proc/PID/stat, as far as the table keeps it; 0: it cannot be told. */
static uint32_t start_of(uint32_t pid)
{
    char text[1024];
    char *path = format_text("/proc/%u/stat", pid);
    FILE *file = fopen(path, "re");
    free(path);
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[got] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? (uint32_t)strtoull(at, NULL, 10) : 0;
}

static bool is_alive(uint64_t owner)
{
    uint32_t pid = (uint32_t)owner, start = (uint32_t)(owner >> 32);
    if (!pid || pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return false;
    return !start || start_of(pid) == start;
}

static unsigned leader_of(const struct table *table)
{
    return table->turn & TURN_LEADER;
}

static struct turn_verdict verdict_of(const struct table *table, unsigned index, const struct share_set *members)
{
    const struct turn_table all = {&table->row[0].want, sizeof table->row[0], members, members};
    return turn_decide(&all, leader_of(table), index, NULL, NULL);
}

static const char *turn_of(const struct table_row *row, enum turn_way way)
{
    if (!row->want.share.demand)
        return "-";
    if (way == TURN_GIVE_WAY)
        return "gives way";
    if ((uint32_t)row->activity)
        return way == TURN_WAIT ? "leaves" : "runs";
    return way == TURN_WAIT || row->waiting ? "waits" : "may run";
}

static const char *seat_of(const struct table_row *row)
{
    static const char *const names[] = {"-", "in line", "has one", "-"};
    return names[row->seat & SEAT_MASK];
}

static const char *memory_of(const struct table_row *row)
{
    static const char *const names[] = {"-", "in line", "counted", "-"};
    return names[row->room & SEAT_MASK];
}

static json_t *describe(const struct table *table, unsigned index, const struct share_set *members)
{
    const struct table_row *row = &table->row[index];
    char name[TABLE_NAME + 1] = "";
    memcpy(name, row->name, TABLE_NAME);
    const struct share_want *want = &row->want.share;
    struct turn_verdict verdict = verdict_of(table, index, members);
    uint32_t most = want->wish > want->demand ? want->wish : want->demand;
    return needed(json_pack("{s:i, s:o, s:s, s:i, s:i, s:s, s:b, s:s, s:s, s:i, s:i, s:i, s:I}", "pid",
                            (int)(uint32_t)row->owner, "program", json_text(name), "mode", "managed", "demand",
                            (int)want->demand, "wish", (int)most, "turn", turn_of(row, verdict.way), "leads",
                            verdict.leader == index && want->demand, "seat", seat_of(row), "memory", memory_of(row),
                            "running", (int)row->running, "parked", (int)row->parked, "downgrades",
                            (int)row->downgrades, "waited_ms", (json_int_t)row->waited_ms));
}

static json_t *list_members(const struct table *table)
{
    struct share_set alive = {{0}};
    unsigned rows = table->rows < TABLE_ROWS ? table->rows : TABLE_ROWS;
    json_t *members = needed(json_array());
    for (unsigned i = 0; i < rows; i++)
        if (is_alive(table->row[i].owner))
            share_add(&alive, i);
    for (unsigned i = share_next(&alive, 0); i < SHARE_MEMBERS; i = share_next(&alive, i + 1))
        json_array_append_new(members, describe(table, i, &alive));
    return members;
}

/* ---- the command ---- */

enum { KEY_DOMAIN = KEY_FIRST };

static const struct argp_option options[] = {
    {"domain", KEY_DOMAIN, "NAME", 0, "the domain to look at (default: UNIRUN_DOMAIN, or default)", 0},
    ARGUMENTS_JSON,
    ARGUMENTS_HELP,
    {0},
};

static const struct argp argp = {
    .options = options,
    .doc = "Lists the programs that share the CPUs with each other: those that have made threads or a team, that are "
           "known to compute, or whose memory is looked at.",
};

/* A program may call itself anything: what a terminal would obey becomes '?', as ps(1) does it. */
static char *printable(const char *name)
{
    char *copy = needed(strdup(name));
    for (unsigned char *at = (unsigned char *)copy; *at; at++)
        if (*at < ' ' || *at == 127)
            *at = '?';
        else if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* the same with the highest bit, in UTF-8 */
            at[0] = at[1] = '?';
    return copy;
}

static void print_members(const json_t *members)
{
    size_t i;
    json_t *member;
    printf("%8s  %-15s %-8s %6s  %-9s %-8s %7s %6s %10s %10s\n", "PID", "PROGRAM", "MODE", "DEMAND", "TURN", "SEAT",
           "RUNNING", "PARKED", "DOWNGRADES", "WAITED-MS");
    json_array_foreach(members, i, member)
    {
        int pid, demand, running, parked, downgrades, leads;
        json_int_t waited;
        const char *program, *mode, *turn, *seat;
        json_unpack(member, "{s:i, s:s, s:s, s:i, s:s, s:b, s:s, s:i, s:i, s:i, s:I}", "pid", &pid, "program", &program,
                    "mode", &mode, "demand", &demand, "turn", &turn, "leads", &leads, "seat", &seat, "running",
                    &running, "parked", &parked, "downgrades", &downgrades, "waited_ms", &waited);
        char *name = printable(program);
        printf("%8d  %-15s %-8s %6d  %-9s %-8s %7d %6d %10d %10lld\n", pid, name, mode, demand, leads ? "leads" : turn,
               seat, running, parked, downgrades, (long long)waited);
        free(name);
    }
}

static const char *chosen_domain(void)
{
    const char *domain = arguments_value(KEY_DOMAIN);
    if (!domain)
        domain = getenv("UNIRUN_DOMAIN");
    if (!domain || !*domain)
        domain = "default";
    if (!strcmp(domain, "private"))
        arguments_refuse("the domain 'private'", "is each program's own, and cannot be looked at");
    if (strchr(domain, '/'))
        arguments_refuse(domain, "is not the name of a domain");
    return domain;
}

int command_ps(int argc, char **argv)
{
    char **rest = arguments_parse(&argp, argc, argv);
    if (*rest)
        arguments_refuse(*rest, "is one argument too many");
    char *path = name_file(chosen_domain());
    struct table *table = read_table(path);
    json_t *members = table ? list_members(table) : needed(json_array());
    if (arguments_value(KEY_JSON)) {
        json_dumpf(members, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        print_members(members);
    }
    json_decref(members);
    free(table);
    free(path);
    return fflush(stdout) ? EXIT_PROBLEM : EXIT_FINE;
}
