#include "shim/domain/member.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/switchboard/switchboard.h"

/* ---- processes ---- */

/* Reads a process's number, state and start time (proc(5), /proc/PID/stat, fields 1, 3 and 22; the name before the
 * state may contain anything, and ends with the last parenthesis). */
static bool read_stat(const char *path, uint32_t *pid, char *state, uint32_t *start)
{
    char text[1024];
    if (!os_read_file(path, text, sizeof text))
        return false;
    *pid = 0;
    for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++)
        *pid = *pid * 10 + (uint32_t)(*digit - '0');
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    *state = at[2];
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    uint64_t ticks = 0;
    for (; at && at[1] >= '0' && at[1] <= '9'; at++)
        ticks = ticks * 10 + (uint64_t)(at[1] - '0');
    *start = (uint32_t)ticks; /* what is left of it tells two processes of one number apart */
    return at;
}

static void put_path(char *path, uint32_t pid)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + pid % 10);
    while (pid /= 10);
    memcpy(path, "/proc/", 6);
    for (path += 6; count; count--)
        *path++ = digits[count - 1];
    memcpy(path, "/stat", sizeof "/stat");
}

enum life member_life(uint64_t owner)
{
    char path[32], state;
    uint32_t pid = (uint32_t)owner, shown, start;
    if (pid == 0 || pid > INT32_MAX)
        return LIFE_DEAD;
    int saved = errno;
    bool gone = libc.kill((pid_t)pid, 0) != 0 && errno == ESRCH;
    errno = saved;
    if (gone)
        return LIFE_DEAD;
    if (!(owner >> 32))
        return LIFE_ALIVE; /* see member_self() */
    put_path(path, pid);
    if (!read_stat(path, &shown, &state, &start))
        return LIFE_ALIVE; /* no /proc */
    if (start != (uint32_t)(owner >> 32) || state == 'Z' || state == 'X')
        return LIFE_DEAD;
    return state == 'T' || state == 't' ? LIFE_STOPPED : LIFE_ALIVE;
}

uint64_t member_self(void)
{
    char state;
    uint32_t shown = 0, start = 0, pid = (uint32_t)getpid();
    /* No /proc, or another PID namespace's: others must judge by the number alone. */
    if (!read_stat("/proc/self/stat", &shown, &state, &start) || shown != pid)
        start = 0;
    return (uint64_t)start << 32 | pid;
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
    store_relaxed(&row->want.demand, 0);
    store_relaxed(&row->activity, 0);
    store_relaxed(&row->waiting, 0);
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
    /* In this order: a row without an owner may be taken at once, and must want nothing then. */
    store_relaxed(&row->want.demand, 0);
    store_relaxed(&row->activity, 0);
    try_row(row, owner, 0);
}
