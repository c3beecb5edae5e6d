/* As in the line for a CPU (line.c), a row's words are its owner's alone, and the first in line decides for itself. It
 * looks at those who run from outside, by what /proc says of them: they do nothing for it. */
#include "shim/domain/room.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "shim/atomic.h"
#include "shim/domain/member.h"
#include "shim/domain/memory.h"
#include "shim/domain/place.h"
#include "shim/domain/programs.h"
#include "shim/os.h"
#include "shim/startup.h"
#include "shim/text.h"

enum {
    MILLISECOND = 1000000,
    TICK_MS = 10, /* of times(2) */
    /* How long the first in line sleeps, and the others, who are woken. */
    NAP = 20 * MILLISECOND,
    OTHERS_NAP = 200 * MILLISECOND,
    /* Who was not heard of for so long does not wait any more: it is stopped. */
    HEARTBEAT_MS = 2000,
    LATER_MS = 60000,
    /* How much later than its note a process may seem to have begun. */
    EARLY_MS = 50,
    PLENTY = 1024, /* MiB, for each sibling and twice */
};

static uint32_t milliseconds(int64_t now)
{
    return (uint32_t)(now / MILLISECOND);
}

static unsigned rows_of(const struct table *table)
{
    uint32_t rows = load_relaxed(&table->rows); /* a number that only grows */
    return rows < TABLE_ROWS ? rows : TABLE_ROWS;
}

/* Acquire: pairs with the release of set_room(): with the state, what it is about is seen. */
static uint64_t room_of(const struct table_row *row)
{
    return load_acquire(&row->room);
}

static void set_room(struct table_row *row, uint64_t ticket, unsigned state)
{
    store_release(&row->room, ticket << SEAT_SHIFT | state);
}

static uint32_t short_name(uint64_t program)
{
    return (uint32_t)(program >> 32 ^ program);
}

/* ---- those who run ---- */

/* What is remembered of one of them from one look to the next. */
struct watch {
    uint32_t pid, start;
    unsigned memory;
    uint32_t ticks, grown; /* now, and when it last grew */
    int64_t active;        /* when it was last seen to do something */
};
static struct watch watched_rows[TABLE_ROWS], watched_runs[PROGRAMS_RUNS];

/* A wait, and what it is for. */
struct wait {
    const struct room_request *request;
    struct room_result *result;
    struct table_row *row;
    uint64_t ticket;
    struct memory where;
    admit_facts facts;
    int64_t begun, progress, moved;
    uint64_t who; /* those who run, and who wait before it: a sum that is another one when somebody comes or goes */
    bool is_timed;
};

/* Whether it is alive. A new one is not known to have been idle before. */
static bool observe(struct watch *watch, uint32_t pid, int64_t now, struct wait *wait)
{
    struct weight weight;
    if (!member_weigh(pid, &weight))
        return false;
    bool is_new = watch->pid != pid || watch->start != weight.start;
    bool has_grown = is_new || weight.memory > watch->memory;
    bool is_active = has_grown || weight.ticks != watch->ticks || !weight.is_asleep;
    *watch = (struct watch){pid,
                            weight.start,
                            weight.memory,
                            weight.ticks,
                            has_grown ? weight.ticks : watch->grown,
                            is_active ? now : watch->active};
    if (is_active && !is_new)
        wait->progress = now;
    return true;
}

static struct admit_runner runner_of(const struct watch *watch, bool is_alike, unsigned need, int64_t now)
{
    return (struct admit_runner){.is_alike = is_alike,
                                 .is_watched = true,
                                 .need = need,
                                 .has = watch->memory,
                                 .flat_cpu_ms = (watch->ticks - watch->grown) * TICK_MS,
                                 .asleep_ms = (unsigned)((now - watch->active) / MILLISECOND)};
}

/* What somebody's need is: of the own program this one may have learnt since. */
static unsigned need_of(const struct table_row *row, bool is_alike, const struct wait *wait)
{
    unsigned need = load_relaxed(&row->need), own = admit_need(wait->facts);
    return is_alike && own ? own : need;
}

/* Whether both are about the same limit; that of the machine concerns all. */
static bool shares_room(const struct table_row *row, uint32_t scope)
{
    return !scope || load_relaxed(&row->scope) == scope;
}

static bool is_row_of(uint32_t pid)
{
    for (unsigned i = 0; i < rows_of(place.table); i++) {
        const struct table_row *row = &place.table->row[i];
        if ((uint32_t)load_relaxed(&row->owner) == pid && (room_of(row) & SEAT_MASK) != SEAT_NONE)
            return true;
    }
    return false;
}

static void gather_rows(struct wait *wait, struct admit_memory *memory, uint32_t scope, int64_t now)
{
    const uint32_t program = short_name(wait->request->program);
    for (unsigned i = 0; i < rows_of(place.table); i++) {
        struct table_row *row = &place.table->row[i];
        uint64_t owner = load_relaxed(&row->owner);
        if ((room_of(row) & SEAT_MASK) != SEAT_TAKEN || row == wait->row || !owner || !shares_room(row, scope))
            continue;
        if (!observe(&watched_rows[i], (uint32_t)owner, now, wait)) {
            if (member_life(owner) == LIFE_DEAD) /* in doubt it is alive, and cannot be looked at */
                member_clear(row, owner);
            continue;
        }
        bool is_alike = program && load_relaxed(&row->program) == program;
        const struct admit_runner runner = runner_of(&watched_rows[i], is_alike, need_of(row, is_alike, wait), now);
        admit_gather(memory, &runner);
        wait->who += owner;
    }
}

/* Those who had no reason to take a row. A number that has become another process's is no run of the program. */
static void gather_runs(struct wait *wait, struct admit_memory *memory, int64_t now)
{
    struct programs_run runs[PROGRAMS_RUNS];
    admit_facts facts[KINDS];
    int fd = programs_open();
    if (fd < 0)
        return;
    programs_find(fd, wait->request->program, facts);
    wait->facts = facts[KIND_PROGRAM];
    unsigned count = programs_runs(fd, wait->request->program, (uint32_t)os_pid(), runs);
    os_close(fd);
    for (unsigned i = 0; i < count; i++) {
        struct watch *watch = &watched_runs[i];
        if (is_row_of(runs[i].pid) || !observe(watch, runs[i].pid, now, wait) ||
            (int32_t)(watch->start * TICK_MS - runs[i].begun) > EARLY_MS)
            continue;
        const struct admit_runner runner = runner_of(watch, true, admit_need(wait->facts), now);
        admit_gather(memory, &runner);
        wait->who += runs[i].pid;
    }
}

/* ---- those who wait ---- */

static bool is_heard_of(const struct table_row *row, int64_t now)
{
    uint32_t past = milliseconds(now) - load_relaxed(&row->asked);
    return past < HEARTBEAT_MS || past > UINT32_MAX - LATER_MS;
}

static bool waits(const struct table_row *row, uint32_t scope, int64_t now)
{
    return (room_of(row) & SEAT_MASK) == SEAT_WAITS && is_heard_of(row, now) && shares_room(row, scope) &&
           !member_is_gone(load_relaxed(&row->owner));
}

static void count_ahead(struct wait *wait, struct admit_memory *memory, uint32_t scope, int64_t now)
{
    for (unsigned i = 0; i < rows_of(place.table); i++) {
        const struct table_row *row = &place.table->row[i];
        if (row == wait->row || room_of(row) >> SEAT_SHIFT >= wait->ticket || !waits(row, scope, now))
            continue;
        unsigned need = load_relaxed(&row->need);
        memory->ahead++;
        memory->reserved += need && need < PLENTY * PLENTY ? need : PLENTY;
        wait->who += load_relaxed(&row->owner);
    }
}

static uint32_t bit_of(uint64_t ticket)
{
    return UINT32_C(1) << ticket % 32;
}

/* The first in the line that `scope` is about: it looks again. */
static void wake_first(const struct table_row *own, uint32_t scope, int64_t now)
{
    struct table *table = place.table;
    const struct table_row *first = NULL;
    /* Release: pairs with the acquire in wait_for_room(): who sees it change sees what is free. */
    __atomic_add_fetch(&table->moves, 1, __ATOMIC_ACQ_REL);
    for (unsigned i = 0; i < rows_of(table); i++) {
        const struct table_row *row = &table->row[i];
        if (row != own && waits(row, scope, now) && (!first || room_of(row) < room_of(first)))
            first = row;
    }
    if (first)
        os_wake_some(&table->moves, bit_of(room_of(first) >> SEAT_SHIFT));
}

/* ---- waiting ---- */

/* A clock runs for it: that of alarm(2), or timeout(1)'s. */
static bool is_timed(void)
{
    struct itimerval timer = {0};
    struct weight parent;
    os_call(SYS_getitimer, ITIMER_REAL, &timer);
    if (timer.it_value.tv_sec || timer.it_value.tv_usec)
        return true;
    return member_weigh((uint32_t)os_call(SYS_getppid), &parent) && text_is_same(parent.name, "timeout");
}

static void gather(struct wait *wait, struct admit_memory *memory, int64_t now)
{
    uint32_t scope;
    uint64_t who = wait->who;
    wait->who = 0;
    *memory = (struct admit_memory){.available = memory_available("", &wait->where, &scope)};
    gather_runs(wait, memory, now);
    gather_rows(wait, memory, scope, now);
    count_ahead(wait, memory, scope, now);
    if (wait->who != who)
        wait->progress = wait->moved = now;
    memory->need = admit_need(wait->facts);
    memory->quiet_ms = milliseconds(now - wait->progress);
    memory->still_ms = milliseconds(now - wait->moved);
    memory->waited_ms = milliseconds(now - wait->begun);
    store_relaxed(&wait->row->scope, scope);
    store_relaxed(&wait->row->need, memory->need);
}

/* Says for what, once. */
static void note_wait(struct wait *wait, const struct admit_memory *memory)
{
    struct room_result *result = wait->result;
    if (result->need)
        return;
    result->need = admit_guess(memory);
    result->available = memory->available;
    result->is_guess = !memory->need;
    wait->is_timed = is_timed();
}

static enum admit_verdict look(struct wait *wait, bool *is_first, int64_t now)
{
    struct admit_memory memory;
    gather(wait, &memory, now);
    enum admit_verdict verdict = admit_memory_now(&memory, settings.admit_ms);
    *is_first = !memory.ahead;
    if (verdict == ADMIT_WAITS)
        note_wait(wait, &memory);
    return verdict == ADMIT_WAITS && wait->is_timed ? ADMIT_ANYWAY : verdict;
}

static enum admit_verdict wait_for_room(struct wait *wait)
{
    for (int64_t now = wait->begun; place_is_ours(wait->row); now = os_now()) {
        bool is_first;
        /* Acquire: see wake_first(). */
        uint32_t moves = load_acquire(&place.table->moves);
        store_relaxed(&wait->row->asked, milliseconds(now));
        enum admit_verdict verdict = look(wait, &is_first, now);
        wait->result->waited_ms = wait->result->need ? milliseconds(now - wait->begun) : 0;
        if (verdict != ADMIT_WAITS)
            return verdict;
        os_wait_for(&place.table->moves, moves, is_first ? NAP : OTHERS_NAP, bit_of(wait->ticket));
    }
    return ADMIT_AT_ONCE;
}

/* Whatever the few siblings of an unknown program take: no need to look at them, nor to be looked at in the table. */
static bool is_plenty(const struct room_request *request, unsigned available)
{
    return !admit_need(request->facts) && request->is_noted && (request->siblings + 1) * 2 * PLENTY < available;
}

static void join(struct wait *wait)
{
    struct table_row *row = wait->row;
    /* Relaxed: it gives out numbers, and orders nothing else. */
    wait->ticket = __atomic_add_fetch(&place.table->tickets, 1, __ATOMIC_RELAXED);
    store_relaxed(&row->program, short_name(wait->request->program));
    store_relaxed(&row->need, admit_need(wait->facts));
    store_relaxed(&row->asked, milliseconds(wait->begun));
    set_room(row, wait->ticket, SEAT_WAITS);
}

void room_wait(const struct room_request *request, struct room_result *result)
{
    int saved = errno;
    uint32_t scope;
    struct wait wait = {.request = request, .result = result, .facts = request->facts};
    *result = (struct room_result){.verdict = ADMIT_AT_ONCE};
    memory_find("", &wait.where);
    if (!is_plenty(request, memory_available("", &wait.where, &scope)) && (wait.row = place_join())) {
        wait.begun = wait.progress = wait.moved = os_now();
        store_relaxed(&wait.row->scope, scope);
        join(&wait);
        result->verdict = wait_for_room(&wait);
        if (place_is_ours(wait.row))
            set_room(wait.row, wait.ticket, SEAT_TAKEN);
        wake_first(wait.row, load_relaxed(&wait.row->scope), os_now()); /* there may be enough for the next one, too */
    }
    errno = saved;
}

void room_leave(void)
{
    struct table_row *row = place_row();
    if (!row || !place_is_ours(row) || room_of(row) == SEAT_NONE)
        return;
    set_room(row, 0, SEAT_NONE);
    wake_first(row, 0, os_now());
}
