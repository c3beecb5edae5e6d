#include "shim/domain/turn.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/line.h"
#include "shim/domain/member.h"
#include "shim/domain/place.h"
#include "shim/libc.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/team/park.h"
#include "shim/thread/worker.h"

enum {
    MILLISECOND = 1000000,
    GRACE = 2 * MILLISECOND,     /* a member that runs nothing for so long between regions lends its CPUs */
    LOOK = 20 * MILLISECOND,     /* one that has not moved for so long is looked at: stopped, dead, blocked? */
    BLOCKED = 250 * MILLISECOND, /* a team that has not computed for so long waits for something, and lends them too */
    LONGEST_NAP = 200 * MILLISECOND,
    HEARTBEAT_MS = 500, /* who waits and was not heard of for so long does not any more: stopped, or gone by longjmp */
    MOST_BEFORE = 64,   /* members whose turns are waited for */
    NEAR = 8,           /* so many in line are woken by what happens; those behind them look in now and then */
};

/* ---- the turn word ---- */

static unsigned leader_of(uint64_t turn)
{
    return turn & 0xffff;
}

static uint32_t milliseconds(int64_t now)
{
    return (uint32_t)(now / MILLISECOND);
}

/* How long the leader has had the turn. A clock that was set by garbage is one that has run out. */
static uint32_t age_of(uint64_t turn, int64_t now)
{
    return milliseconds(now) - (uint32_t)(turn >> 32);
}

static const uint32_t *futex(void)
{
    return (const uint32_t *)&place.table->turn; /* the low half: x86 is little-endian */
}

static uint64_t load_turn(void)
{
    /* Sequentially consistent, with the entering and leaving of regions: a gang that has entered sees a new turn, or
     * whoever has changed the turn sees the gang inside. */
    return __atomic_load_n(&place.table->turn, __ATOMIC_SEQ_CST);
}

/* Changes the turn if it still is `turn`, and wakes everybody who waits for that. */
static void change_turn(uint64_t turn, unsigned leader, uint32_t since)
{
    uint64_t changes = ((turn >> 16) + 1) & 0xffff;
    uint64_t next = (uint64_t)since << 32 | changes << 16 | leader;
    if (cas_seq_cst(&place.table->turn, &turn, next))
        os_wake_shared(futex(), INT_MAX);
}

/* Whoever may run now has to be computed again. */
static void touch_turn(void)
{
    uint64_t turn = load_turn(), next;
    do
        next = (turn & ~UINT64_C(0xffff0000)) | ((((turn >> 16) + 1) & 0xffff) << 16);
    while (!cas_seq_cst(&place.table->turn, &turn, next));
    os_wake_shared(futex(), INT_MAX);
}

/* ---- what we want ---- */

/* A malleable gang needs one CPU, and can use more. */
static unsigned needs(const struct gang *gang)
{
    return gang->is_malleable ? 1 : gang->size;
}

static bool is_announced(const struct table_row *row, const struct gang *gang)
{
    return load_relaxed(&row->want.demand) >= needs(gang) &&
           (!gang->is_malleable || load_relaxed(&row->want.wish) >= gang->size);
}

/* Says what our gang wants, if that is not what the table says. */
static void announce(struct table_row *row, const struct gang *gang)
{
    uint32_t rows = load_relaxed(&place.table->rows);
    while (rows <= place.index)
        if (__atomic_compare_exchange_n(&place.table->rows, &rows, place.index + 1, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            break;
    if (is_announced(row, gang))
        return;
    uint32_t demand = load_relaxed(&row->want.demand);
    if (!demand) {
        member_read_mask(&row->want);
        store_relaxed(&row->want.wish, 0);
    }
    if (gang->is_malleable)
        store_relaxed(&row->want.wish, gang->size);
    store_release(&row->want.demand, demand > needs(gang) ? demand : needs(gang));
    touch_turn();
}

/* ---- the others ---- */

static bool is_inside(const struct table_row *row)
{
    return (uint32_t)__atomic_load_n(&row->activity, __ATOMIC_SEQ_CST) && load_relaxed(&row->want.demand);
}

/* `waiting` is when the member last said so, in milliseconds, never 0. */
static bool is_waiting(const struct table_row *row, int64_t now)
{
    uint32_t said = __atomic_load_n(&row->waiting, __ATOMIC_SEQ_CST); /* see wait_for_turn() */
    return said && milliseconds(now) - said + 1 < HEARTBEAT_MS;
}

/* The member does not use what it wants: it lends its CPUs until its next region. */
static void lapse(struct table_row *row)
{
    store_relaxed(&row->want.demand, 0);
    touch_turn();
}

/* What a waiter remembers of those who are in its way. */
enum { WATCHED = 32 };
struct watch {
    unsigned index;
    uint64_t activity;
    int64_t since; /* it has been seen like this */
    int64_t looked;
    int64_t computed; /* it was last seen to */
    uint32_t ticks;
};

struct wait {
    unsigned rank; /* how many wait before us */
    unsigned most; /* there ever were */
    unsigned refused;
    bool blocked; /* somebody who may not run is still inside */
    struct watch watched[WATCHED];
    unsigned watching, next;
};

static struct watch *watch_of(struct wait *wait, unsigned index)
{
    for (unsigned i = 0; i < wait->watching; i++)
        if (wait->watched[i].index == index)
            return &wait->watched[i];
    /* More than these are watched in turn. */
    struct watch *watch = &wait->watched[wait->next++ % WATCHED];
    wait->watching += wait->watching < WATCHED;
    *watch = (struct watch){.index = index, .activity = UINT64_MAX};
    return watch;
}

/* Whether the program has used no CPU for a while, and its main thread does not want one. */
static bool is_blocked(struct watch *watch, const struct pulse *pulse, int64_t now)
{
    if (pulse->is_runnable || pulse->ticks != watch->ticks)
        watch->computed = now;
    watch->ticks = pulse->ticks;
    return now - watch->computed >= BLOCKED;
}

/* A member that has, or keeps, CPUs: takes them from it if it does nothing with them. */
static void watch_member(struct wait *wait, unsigned index, int64_t now)
{
    struct table_row *row = &place.table->row[index];
    struct watch *watch = watch_of(wait, index);
    uint64_t activity = load_relaxed(&row->activity);
    if (activity != watch->activity) {
        *watch = (struct watch){index, activity, now, now, now, 0};
        return;
    }
    if (!(uint32_t)activity && !is_waiting(row, now) && now - watch->since >= GRACE) {
        lapse(row);
    } else if (now - watch->looked >= LOOK) {
        uint64_t owner = load_relaxed(&row->owner);
        struct pulse pulse;
        enum life life = member_look(owner, &pulse);
        watch->looked = now;
        if (life == LIFE_DEAD)
            member_clear(row, owner);
        if (life != LIFE_ALIVE || ((uint32_t)activity && is_blocked(watch, &pulse, now)))
            lapse(row);
    }
}

/* Rows of the dead, and those that never were anybody's, are not waited for. What one system call does not tell of
 * them, watch_member() finds out. */
static void clear_dead(void)
{
    uint32_t rows = load_relaxed(&place.table->rows);
    bool any = false;
    for (unsigned i = 0; i < rows && i < TABLE_ROWS; i++) {
        struct table_row *row = &place.table->row[i];
        uint64_t owner = load_relaxed(&row->owner);
        if (!load_relaxed(&row->want.demand) || !member_is_gone(owner))
            continue;
        any = true;
        store_relaxed(&row->want.demand, 0);
        member_clear(row, owner);
    }
    if (any)
        touch_turn();
}

static struct share_table whole_table(void)
{
    uint32_t rows = load_relaxed(&place.table->rows);
    return (struct share_table){&place.table->row[0].want, sizeof(struct table_row),
                                rows < TABLE_ROWS ? rows : TABLE_ROWS};
}

/* Goes through the table as it is under `turn`. */
static struct share_verdict look_round(struct wait *wait, uint64_t turn, int64_t now)
{
    bool runs[TABLE_ROWS];
    const struct share_table all = whole_table();
    struct share_verdict verdict = share_decide(&all, leader_of(turn), place.index, runs);
    wait->rank = wait->refused = 0;
    wait->blocked = false;
    for (unsigned step = 0; step < all.count && verdict.contended; step++) {
        unsigned index = (leader_of(turn) + step) % all.count;
        struct table_row *row = &place.table->row[index];
        if (index == place.index) {
            wait->rank = wait->refused;
            wait->most = wait->rank > wait->most ? wait->rank : wait->most;
        } else if (load_relaxed(&row->want.demand)) {
            bool inside = is_inside(row);
            wait->blocked |= inside && !runs[index];
            wait->refused += !runs[index];
            if (inside || runs[index])
                watch_member(wait, index, now);
        }
    }
    return verdict;
}

/* ---- waiting ---- */

static bool leader_waits(uint64_t turn, int64_t now)
{
    unsigned leader = leader_of(turn);
    return leader < TABLE_ROWS && leader != place.index && is_waiting(&place.table->row[leader], now);
}

/* If somebody else's turn has come, it waits for us to leave. A leader that has just looked round, and found us inside,
 * is on its way to sleep: for it the word itself must change. */
static void step_out(struct table_row *row)
{
    __atomic_sub_fetch(&row->activity, 1, __ATOMIC_SEQ_CST);
    uint64_t turn = load_turn();
    if (turn == load_relaxed(&place.granted))
        return;
    if (leader_waits(turn, os_now()))
        touch_turn();
    else
        os_wake_shared(futex(), INT_MAX);
}

/* Enters under `turn`; false: it has changed meanwhile. */
static bool step_in(struct table_row *row, uint64_t turn)
{
    __atomic_add_fetch(&row->activity, UINT64_C(1) << 32 | 1, __ATOMIC_SEQ_CST);
    if (load_turn() == turn)
        return true;
    step_out(row);
    return false;
}

/* Its time is over: it runs beside those who would not go. They are not waited for again until their next region. */
static void run_anyway(struct table_row *row, const struct gang *gang)
{
    uint32_t rows = load_relaxed(&place.table->rows);
    for (unsigned i = 0; i < rows && i < TABLE_ROWS; i++)
        if (i != place.index && is_inside(&place.table->row[i]))
            store_relaxed(&place.table->row[i].want.demand, 0);
    touch_turn();
    __atomic_add_fetch(&row->activity, UINT64_C(1) << 32 | 1, __ATOMIC_SEQ_CST);
    store_relaxed(&place.granted, 0); /* for this one region */
    report_downgrade(gang->call, REASON_TURN, gang->caller);
}

/* Our pool threads give their CPUs to the others, unless a thread of ours still is in a region. */
static bool park(struct table_row *row)
{
    if ((uint32_t)load_relaxed(&row->activity))
        return false;
    park_begin();
    if (!(uint32_t)__atomic_load_n(&row->activity, __ATOMIC_SEQ_CST)) /* see park_begin() */
        return true;
    park_end();
    return false;
}

static void sleep_for_turn(const struct wait *wait, uint64_t turn, int64_t left)
{
    /* The first in line watches; the others look in now and then, in case it is stopped. That those far behind are not
     * woken keeps what a change costs from growing with the line. */
    static const uint32_t never;
    int64_t time = GRACE * (int64_t)(1 + wait->rank);
    if (time > LONGEST_NAP)
        time = LONGEST_NAP;
    if (time > left)
        time = left;
    if (wait->rank < NEAR)
        os_wait_shared(futex(), (uint32_t)turn, time);
    else
        os_wait(&never, 0, time);
}

static void fit(struct gang *gang)
{
    unsigned share = load_relaxed(&place.share);
    if (gang->is_malleable && share < gang->size)
        gang->size = share;
}

/* We are inside under `turn`: until it changes our gangs may enter, of the size that is computed here. */
static void take_share(struct gang *gang, uint64_t turn)
{
    if (load_relaxed(&place.table->row[place.index].want.wish)) {
        const struct share_table all = whole_table();
        store_relaxed(&place.share, share_size(&all, leader_of(turn), place.index));
    }
    store_release(&place.granted, turn); /* with the share */
    fit(gang);
}

/* How long a wait may still last that has had up to `most` others before us: each of them may have had its turn. */
static int64_t time_left(int64_t begin, unsigned most, int64_t now)
{
    if (most > MOST_BEFORE)
        most = MOST_BEFORE;
    return begin + ((int64_t)settings.patience_ms + 2 * (int64_t)most * settings.quantum_ms) * MILLISECOND - now;
}

/* The leader's time is over. One that has not got in yet, because somebody does not leave, keeps its turn. */
static bool is_over(uint64_t turn, int64_t now)
{
    uint32_t age = age_of(turn, now);
    return age >= settings.quantum_ms &&
           (!leader_waits(turn, now) || age >= settings.quantum_ms + settings.patience_ms);
}

/* It is our turn, and has been for a while, but only now it can begin. */
static bool is_late(uint64_t turn, int64_t now)
{
    return leader_of(turn) == place.index && age_of(turn, now) >= settings.quantum_ms / 2 + 1;
}

/* Returns false if the domain is gone. */
static bool wait_for_turn(struct table_row *row, struct gang *gang)
{
    int64_t begin = 0;
    struct wait wait = {.watching = 0};
    bool parked = false;
    while (place_is_ours(row)) {
        announce(row, gang); /* again: somebody may have taken us for idle, or for dead */
        int64_t now = os_now();
        uint64_t turn = load_turn();
        struct share_verdict verdict = look_round(&wait, turn, now);
        bool may_run = verdict.runs && !wait.blocked;
        bool begins_late = begin && verdict.contended && is_late(turn, now);
        if (may_run && !begins_late && step_in(row, turn)) {
            take_share(gang, turn);
            return true;
        }
        /* Sequentially consistent: who leaves a region sees that we wait, or we see that it has left. */
        __atomic_store_n(&row->waiting, milliseconds(now) | 1, __ATOMIC_SEQ_CST);
        if (!begin) {
            begin = now;
            clear_dead();
            continue;
        }
        int64_t left = time_left(begin, wait.most, now);
        if (left <= 0) {
            run_anyway(row, gang);
            return true;
        }
        if (!parked)
            parked = park(row);
        if (may_run && begins_late)
            change_turn(turn, place.index, milliseconds(now));
        else if (!verdict.runs && is_over(turn, now))
            change_turn(turn, verdict.next, milliseconds(now));
        else if (!may_run)
            sleep_for_turn(&wait, turn, left);
    }
    return false;
}

/* Our row, after joining if need be; NULL: there is no domain to wait in. */
static struct table_row *row_to_wait_in(enum symbol call, const void *caller)
{
    if (!park_start())
        place_abandon();
    struct table_row *row = place_join();
    if (row && place_is_ours(row))
        return row;
    if (row)
        place_abandon();
    if (place_is_missed())
        report_downgrade(call, REASON_DOMAIN, caller);
    return NULL;
}

static __attribute__((noinline)) bool enter_slowly(struct gang *gang)
{
    int saved = errno;
    int64_t begin = os_now();
    struct table_row *row = row_to_wait_in(gang->call, gang->caller);
    bool is_inside = row && wait_for_turn(row, gang);
    if (row) {
        store_relaxed(&row->waited_ms, load_relaxed(&row->waited_ms) + milliseconds(os_now() - begin));
        store_relaxed(&row->waiting, 0);
        park_end();
    }
    errno = saved;
    return is_inside;
}

/* ---- around a region ---- */

/* A thread of a runtime's pool runs for somebody who is inside. */
static bool is_in_gang(void)
{
    return slot.owed || (slot.worker && slot.worker->is_pooled);
}

bool turn_enter(struct gang *gang)
{
    struct table_row *row = load_acquire(&place.row); /* with the rest of `place`, see place_join() */
    if (is_in_gang())
        return false;
    if (row && is_announced(row, gang) && step_in(row, load_acquire(&place.granted)))
        fit(gang);
    else if (!enter_slowly(gang))
        return false;
    slot.owed = (uint16_t)load_relaxed(&place.stay);
    return true;
}

void turn_leave(void)
{
    struct table_row *row = load_acquire(&place.row);
    /* Otherwise the row was given back meanwhile, or is the parent's. */
    if (row && load_relaxed(&place.stay) == slot.owed)
        step_out(row);
    slot.owed = 0;
}

void turn_abandon(void)
{
    if (slot.owed)
        turn_leave();
    slot.level = 0;
}

void turn_quit(void)
{
    line_leave();
    if (place_leave())
        touch_turn();
}

void turn_stop(void)
{
    turn_quit();
    store_relaxed(&place.alone, true);
}

__attribute__((destructor)) static void at_exit(void)
{
    turn_quit();
}
