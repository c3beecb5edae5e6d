#include "shim/domain/member.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"

/* ---- processes ---- */

/* What /proc/PID/stat says of a process (proc(5), fields 1, 3, 14, 15, 20 and 22; the name before the state may contain
 * anything, and ends with the last parenthesis). */
struct stat_line {
    uint32_t pid, threads, start; /* start: what is left of it tells two processes of one number apart */
    uint32_t ticks;               /* user and system time, of all its threads */
    char state;
    char name[TABLE_NAME];
};

static const char *read_number(const char *at, uint32_t *number)
{
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *number = (uint32_t)value;
    return at;
}

static bool read_stat(const char *path, struct stat_line *line)
{
    char text[1024];
    if (!os_read_file(path, text, sizeof text))
        return false;
    read_number(text, &line->pid);
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    const char *name = strchr(text, '(');
    size_t length = name ? (size_t)(at - name - 1) : 0;
    line->name[length < TABLE_NAME ? length : 0] = '\0';
    if (length < TABLE_NAME)
        memcpy(line->name, name + 1, length);
    line->state = at[2];
    line->ticks = 0;
    for (int field = 2; field < 22; field++) {
        uint32_t number;
        at = strchr(at + 1, ' ');
        if (!at)
            return false;
        read_number(at + 1, &number);
        if (field == 13 || field == 14)
            line->ticks += number;
        if (field == 19)
            line->threads = number;
    }
    read_number(at + 1, &line->start);
    return true;
}

/* The main thread alone may have ended, and be a zombie for as long as others run. */
static bool has_ended(const struct stat_line *line)
{
    return line->state == 'X' || (line->state == 'Z' && line->threads <= 1);
}

/* "/proc/PID/NAME" */
static void put_path(char *path, uint32_t pid, const char *name)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + pid % 10);
    while (pid /= 10);
    memcpy(path, "/proc/", 6);
    for (path += 6; count; count--)
        *path++ = digits[count - 1];
    memcpy(path, name, strlen(name) + 1);
}

bool member_is_gone(uint64_t owner)
{
    uint32_t pid = (uint32_t)owner;
    if (pid == 0 || pid > INT32_MAX)
        return true;
    int saved = errno;
    bool gone = libc.kill((pid_t)pid, 0) != 0 && errno == ESRCH;
    errno = saved;
    return gone;
}

enum life member_life(uint64_t owner)
{
    struct pulse pulse;
    return member_look(owner, &pulse);
}

enum life member_look(uint64_t owner, struct pulse *pulse)
{
    char path[32];
    struct stat_line line;
    *pulse = (struct pulse){.is_runnable = true};
    if (member_is_gone(owner))
        return LIFE_DEAD;
    if (!(owner >> 32))
        return LIFE_ALIVE; /* see member_self() */
    put_path(path, (uint32_t)owner, "/stat");
    if (!read_stat(path, &line))
        return LIFE_ALIVE; /* no /proc */
    if (line.start != (uint32_t)(owner >> 32) || has_ended(&line))
        return LIFE_DEAD;
    *pulse = (struct pulse){line.ticks, line.state == 'R'};
    return line.state == 'T' || line.state == 't' ? LIFE_STOPPED : LIFE_ALIVE;
}

/* What /proc/PID/statm says: pages that are there, less those that others may have as well (proc(5)). */
static unsigned own_memory(uint32_t pid)
{
    enum { MIB = 1024 * 1024 };
    char path[32], text[128];
    uint32_t resident = 0, shared = 0;
    put_path(path, pid, "/statm");
    if (!os_read_file(path, text, sizeof text))
        return 0;
    const char *at = strchr(text, ' ');
    at = at ? read_number(at + 1, &resident) : "";
    if (*at == ' ')
        read_number(at + 1, &shared);
    return resident > shared ? (unsigned)((uint64_t)(resident - shared) * OS_PAGE / MIB) : 0;
}

bool member_weigh(uint32_t pid, struct weight *weight)
{
    char path[32];
    struct stat_line line;
    put_path(path, pid, "/stat");
    if (pid > INT32_MAX || !read_stat(path, &line) || has_ended(&line))
        return false;
    *weight = (struct weight){.start = line.start,
                              .ticks = line.ticks,
                              .is_asleep = line.state != 'R' && line.state != 'D',
                              .memory = own_memory(pid)};
    memcpy(weight->name, line.name, sizeof weight->name);
    return true;
}

uint64_t member_self(void)
{
    struct stat_line line;
    uint32_t pid = (uint32_t)os_pid();
    /* No /proc, or another PID namespace's: others must judge by the number alone. */
    if (!read_stat("/proc/self/stat", &line) || line.pid != pid)
        line.start = 0;
    return (uint64_t)line.start << 32 | pid;
}

/* ---- rows ---- */

static void name_row(struct table_row *row)
{
    char name[TABLE_NAME] = "";
    ((int (*)(int, ...))real.prctl)(PR_GET_NAME, name);
    memcpy(row->name, name, sizeof row->name);
}

static struct table_row *own(struct table_row *row)
{
    /* What the last owner left: it is dead, or this process before exec. Relaxed: nobody acts upon a row without
     * demand, which is the first to go, and is announced with release when the rest is there. */
    store_relaxed(&row->want.share.demand, 0);
    store_relaxed(&row->want.region_ns, 0);
    store_relaxed(&row->want.gap_ns, 0);
    store_relaxed(&row->want.service_us, 0);
    store_relaxed(&row->want.is_crowded, 0);
    store_relaxed(&row->activity, 0);
    store_relaxed(&row->waiting, 0);
    store_relaxed(&row->waited_ms, 0);
    store_relaxed(&row->seat, SEAT_NONE);
    store_relaxed(&row->room, SEAT_NONE);
    store_relaxed(&row->queued, 0);
    store_relaxed(&row->running, 0);
    store_relaxed(&row->parked, 0);
    store_relaxed(&row->downgrades, 0);
    name_row(row);
    return row;
}

static bool try_row(struct table_row *row, uint64_t expected, uint64_t owner)
{
    return __atomic_compare_exchange_n(&row->owner, &expected, owner, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The first free row of those that were used before, or a new one. */
static struct table_row *find_row(struct table *table, uint64_t owner)
{
    for (;;) {
        uint32_t rows = load_relaxed(&table->rows), free = rows;
        for (uint32_t i = 0; i < rows && i < TABLE_ROWS; i++) {
            uint64_t now = load_relaxed(&table->row[i].owner);
            if (now == owner)
                return &table->row[i];
            if (!now && free == rows)
                free = i;
        }
        if (free >= TABLE_ROWS)
            return NULL;
        /* Relaxed: a number that only grows, and tells how far to look. */
        if (free == rows &&
            !__atomic_compare_exchange_n(&table->rows, &rows, rows + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        if (try_row(&table->row[free], 0, owner))
            return &table->row[free];
    }
}

static void clear_dead(struct table *table)
{
    for (uint32_t i = 0; i < TABLE_ROWS; i++) {
        uint64_t owner = load_relaxed(&table->row[i].owner);
        if (owner && member_life(owner) == LIFE_DEAD)
            member_clear(&table->row[i], owner);
    }
}

void member_read_mask(int tid, struct share_want *want)
{
    cpu_set_t set;
    _Static_assert(sizeof set == sizeof want->cpus, "1,024 CPUs");
    CPU_ZERO(&set);
    long result = os_call(SYS_sched_getaffinity, tid, sizeof set, &set);
    if (result < 0 && result != -ESRCH)
        memset(&set, 0xff, sizeof set); /* more CPUs than the mask holds. A thread that is gone has none */
    memcpy(want->cpus, &set, sizeof set);
}

void member_sweep(struct table *table)
{
    uint32_t rows = load_relaxed(&table->rows);
    for (uint32_t i = 0; i < rows && i < TABLE_ROWS; i++) {
        uint64_t owner = load_relaxed(&table->row[i].owner);
        if (owner && member_is_gone(owner))
            member_clear(&table->row[i], owner);
    }
}

int member_niceness(void)
{
    long policy = os_call(SYS_sched_getscheduler, 0), priority = os_call(SYS_getpriority, PRIO_PROCESS, 0);
    if (policy >= 0)
        policy &= ~(long)SCHED_RESET_ON_FORK;
    if (policy == SCHED_IDLE)
        return 20;
    if (policy > 0 && policy != SCHED_BATCH)
        return -21;
    return priority > 0 ? 20 - (int)priority : 0; /* the kernel's own call returns 40 to 1 */
}

struct table_row *member_take_row(struct table *table, uint64_t owner)
{
    struct table_row *row = find_row(table, owner);
    if (!row) {
        clear_dead(table);
        row = find_row(table, owner);
    }
    return row ? own(row) : NULL;
}

void member_clear(struct table_row *row, uint64_t owner)
{
    if (load_relaxed(&row->owner) != owner)
        return;
    /* In this order: a row without an owner may be taken at once, and must want nothing then. What else is in it is the
     * next owner's to clear; several may clear one dead owner's row, the last of them late. */
    store_relaxed(&row->want.share.demand, 0);
    store_relaxed(&row->seat, SEAT_NONE);
    store_relaxed(&row->room, SEAT_NONE);
    try_row(row, owner, 0);
}
