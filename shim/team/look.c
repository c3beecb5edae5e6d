#include "shim/team/look.h"

#include <string.h>

#include "shim/atomic.h"
#include "shim/domain/member.h"
#include "shim/domain/place.h"
#include "shim/team/team.h"

enum {
    MILLISECOND = 1000000,
    GRACE = MILLISECOND / 5,     /* who has the turn, and runs nothing for so long, loses it */
    LONG = 4 * MILLISECOND,      /* a region that takes so long is none that others should wait for */
    IDLE = 20 * MILLISECOND,     /* a member that runs nothing for so long is in nobody's way */
    LOOK = 20 * MILLISECOND,     /* one that has not left its region for so long: is it stopped, dead, blocked? */
    BLOCKED = 250 * MILLISECOND, /* a team that has not computed for so long waits for something */
    HEARTBEAT_MS = 500, /* who waits and was not heard of for so long does not any more: stopped, or gone by longjmp */
};

uint32_t look_milliseconds(int64_t now)
{
    return (uint32_t)(now / MILLISECOND);
}

/* ---- the table changes ---- */

void look_touch(void)
{
    uint64_t turn = load_relaxed(&place.table->turn), next;
    do
        next = (turn & ~UINT64_C(0xffff0000)) | ((((turn >> 16) + 1) & 0xffff) << 16);
    while (!cas_seq_cst(&place.table->turn, &turn, next));
}

/* In this order: a member that announces itself in between finds its bit gone when the touch makes it look. */
void look_lapse(unsigned index)
{
    store_relaxed(&place.table->row[index].want.share.demand, 0);
    __atomic_fetch_and(&place.table->active.word[index / 64], ~(UINT64_C(1) << index % 64), __ATOMIC_RELAXED);
    look_touch();
}

/* ---- one member ---- */

/* Sequentially consistent, with the entering and leaving of regions: a gang that has entered sees a new turn, or
 * whoever has changed the turn sees the gang inside. */
static uint64_t activity_of(const struct table_row *row)
{
    return __atomic_load_n(&row->activity, __ATOMIC_SEQ_CST);
}

static bool is_inside(const struct table_row *row)
{
    return (uint32_t)activity_of(row);
}

bool look_is_waiting(const struct table_row *row, int64_t now)
{
    uint32_t said = __atomic_load_n(&row->waiting, __ATOMIC_SEQ_CST); /* see wait_for_turn() */
    int32_t ago = (int32_t)(look_milliseconds(now) - said);           /* below 0: since `now` was read */
    return said && ago < HEARTBEAT_MS && ago > -HEARTBEAT_MS;
}

/* Whether the program has used no CPU for a while, and its main thread does not want one. */
static bool is_blocked(struct seen *seen, const struct pulse *pulse, int64_t now)
{
    if (pulse->is_runnable || pulse->ticks != seen->ticks)
        seen->computed = now;
    seen->ticks = pulse->ticks;
    return now - seen->computed >= BLOCKED;
}

/* A member that is inside a region for long. */
static bool is_stuck(struct table_row *row, struct seen *seen, int64_t now)
{
    uint64_t owner = load_relaxed(&row->owner);
    struct pulse pulse;
    if (now - seen->looked < LOOK)
        return false;
    seen->looked = now;
    enum life life = member_look(owner, &pulse);
    if (life == LIFE_DEAD)
        member_clear(row, owner);
    return life != LIFE_ALIVE || is_blocked(seen, &pulse, now);
}

/* Whether the member has a use for what it wants. */
static bool is_active(unsigned index, int64_t now)
{
    struct table_row *row = &place.table->row[index];
    struct seen *seen = &team.seen[index];
    uint64_t activity = activity_of(row);
    uint64_t owner = load_relaxed(&row->owner); /* once: by the next time it may be a new member's row */
    if (!seen->since && member_is_gone(owner)) {
        member_clear(row, owner);
        return false;
    }
    if (!seen->since || activity != seen->activity) {
        *seen = (struct seen){activity, now, now, now, 0};
        return true;
    }
    if ((uint32_t)activity)
        return !is_stuck(row, seen, now);
    return look_is_waiting(row, now) || now - seen->since < IDLE;
}

bool look_is_idle(unsigned index, int64_t now)
{
    const struct table_row *row = &place.table->row[index];
    const struct seen *seen = &team.seen[index];
    uint64_t activity = activity_of(row);
    return !(uint32_t)activity && activity == seen->activity && now - seen->since >= GRACE &&
           !look_is_waiting(row, now);
}

/* ---- all of them ---- */

static void find_members(int64_t now, struct view *view)
{
    memset(view, 0, sizeof *view);
    for (unsigned word = 0; word < SHARE_MEMBERS / 64; word++) {
        uint64_t left = load_relaxed(&place.table->active.word[word]);
        for (; left; left &= left - 1) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(left);
            const struct table_row *row = &place.table->row[index];
            if (index != place.index && (!load_relaxed(&row->want.share.demand) || !is_active(index, now))) {
                look_lapse(index);
                continue;
            }
            share_add(&view->members, index);
            if (look_is_waiting(row, now))
                share_add(&view->waiting, index);
        }
    }
    share_add(&view->members, place.index);
}

/* Those who take turns with us and are inside. */
static void watch_ring(int64_t now, struct view *view)
{
    for (unsigned i = share_next(&view->ring, 0); i < SHARE_MEMBERS; i = share_next(&view->ring, i + 1)) {
        struct table_row *row = &place.table->row[i];
        if (i == place.index || !is_inside(row))
            continue;
        int64_t inside = now - team.seen[i].since;
        if (inside >= LONG && load_relaxed(&row->want.waits) == TURN_WAITS_TOLD) {
            store_relaxed(&row->want.region_ns, (uint32_t)(inside < INT32_MAX ? inside : INT32_MAX));
            look_touch(); /* it takes no turns until it is seen to run short regions again */
        }
        view->is_blocked |= !share_has(&view->runs, i);
    }
}

void look_again(unsigned leader, struct view *view)
{
    const struct table_row *rows = place.table->row;
    const struct turn_table table = {&rows->want, sizeof *rows, &view->members, &view->waiting};
    view->verdict = turn_decide(&table, leader, place.index, &view->ring, &view->runs);
}

void look_round(unsigned leader, int64_t now, struct view *view)
{
    find_members(now, view);
    look_again(leader, view);
    watch_ring(now, view);
}
