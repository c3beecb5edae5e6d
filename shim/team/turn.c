#include "shim/team/turn.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/domain/line.h"
#include "shim/domain/member.h"
#include "shim/domain/place.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/team/look.h"
#include "shim/team/measure.h"
#include "shim/team/park.h"
#include "shim/team/team.h"
#include "shim/thread/worker.h"

enum {
    MILLISECOND = 1000000,
    FIRST_POLL = MILLISECOND / 4,     /* when the next in line looks whether the turn is used, */
    LAST_POLL = 2 * MILLISECOND,      /* and, after twice as long each time, how often */
    STEP = MILLISECOND / 2,           /* how often one whose turn it is looks whether the others have left */
    NAP = 100 * MILLISECOND,          /* how often the others in line look whether there is a next one */
    LATER_MS = 1000,                  /* a time that is no more than this later than `now` is one */
    SHORT_PATIENCE = 5 * MILLISECOND, /* how long a team waits that has waited in vain, */
    MOST_TRIES = 8,                   /* to enter while the table changes again and again */
    MOST_BEFORE = 64,                 /* members whose turns are waited for */
};

/* since this long ago: the others may never leave, for it may be this program that they wait for. */
#define IMPATIENCE (INT64_C(10000) * MILLISECOND)

union team team __attribute__((aligned(OS_PAGE)));

bool team_prepare(void)
{
    static bool is_wiped; /* relaxed: who misses it does it once more */
    if (!load_relaxed(&is_wiped))
        store_relaxed(&is_wiped, os_wipe_in_children(&team, sizeof team) == 0);
    return load_relaxed(&is_wiped);
}

/* ---- the turn word ---- */

static unsigned leader_of(uint64_t turn)
{
    return turn & TURN_LEADER;
}

/* How long the leader has had the turn. It may have begun since `now` was read; a clock that was set by garbage is one
 * that has run out. */
static uint32_t age_of(uint64_t turn, int64_t now)
{
    uint32_t age = look_milliseconds(now) - (uint32_t)(turn >> 32);
    return -age < LATER_MS ? 0 : age;
}

static uint64_t load_turn(void)
{
    /* Sequentially consistent, with the entering and leaving of regions: a gang that has entered sees a new turn, or
     * whoever has changed the turn sees the gang inside. */
    return __atomic_load_n(&place.table->turn, __ATOMIC_SEQ_CST);
}

/* Changes the turn if it still is `turn`; whether it was. */
static bool change_turn(uint64_t turn, uint64_t leader, uint64_t since)
{
    uint64_t changes = ((turn >> 16) + 1) & 0xffff;
    return cas_seq_cst(&place.table->turn, &turn, since << 32 | changes << 16 | leader);
}

static void wake(unsigned index)
{
    struct table_row *row = &place.table->row[index];
    add_relaxed(&row->wake, 1);          /* the turn was changed before; the system call orders them */
    os_wake_shared(&row->wake, INT_MAX); /* all threads of the process that wait, rarely more than one */
}

/* ---- what we want ---- */

/* A malleable gang needs one CPU, and can use more. */
static unsigned needs(const struct gang *gang)
{
    return gang->is_malleable ? 1 : gang->size;
}

static bool is_announced(const struct table_row *row, const struct gang *gang)
{
    return load_relaxed(&row->want.share.demand) >= needs(gang) &&
           (!gang->is_malleable || load_relaxed(&row->want.share.wish) >= gang->size);
}

static bool is_listed(void)
{
    return load_relaxed(&place.table->active.word[place.index / 64]) >> place.index % 64 & 1;
}

/* Where a process has runtimes of several kinds, the table says how those wait that are most in the way. */
static bool covers(enum turn_waits said, enum turn_waits waits)
{
    return said == waits || said == TURN_WAITS_SPIN || waits == TURN_WAITS_BLOCK;
}

/* Says what our gang wants, if that is not what the table says. */
static void announce(struct table_row *row, const struct gang *gang)
{
    if (is_announced(row, gang) && is_listed() && covers(load_relaxed(&row->want.waits), gang->waits))
        return;
    uint32_t demand = load_relaxed(&row->want.share.demand);
    if (!demand) {
        measure_cpus(row);
        store_relaxed(&row->want.niceness, (int8_t)member_niceness());
        store_relaxed(&row->want.share.wish, 0);
    }
    if (!demand || !covers(load_relaxed(&row->want.waits), gang->waits))
        store_relaxed(&row->want.waits, (uint8_t)gang->waits);
    if (gang->is_malleable)
        store_relaxed(&row->want.share.wish, gang->size);
    store_release(&row->want.share.demand, demand > needs(gang) ? demand : needs(gang));
    __atomic_fetch_or(&place.table->active.word[place.index / 64], UINT64_C(1) << place.index % 64, __ATOMIC_RELEASE);
    look_touch();
}

/* ---- leaving ---- */

/* The turn passes from `turn` to the member `next`; whether it did. Those are woken that may run now, and who is next
 * after them, to watch over this turn. */
static bool pass_turn(uint64_t turn, unsigned next, int64_t now, struct view *view)
{
    if (!change_turn(turn, next, look_milliseconds(now)))
        return false;
    look_again(next, view);
    for (unsigned i = share_next(&view->waiting, 0); i < SHARE_MEMBERS; i = share_next(&view->waiting, i + 1))
        if (i != place.index && (share_has(&view->runs, i) || i == view->verdict.next))
            wake(i);
    return true;
}

/* Our time is over, and a region with short waits as well (see take()): the next one has the turn. If nobody waits, it
 * is ours anew. */
static void hand_over(uint64_t turn, int64_t now)
{
    struct view view;
    look_round(place.index, now, &view);
    pass_turn(turn, view.verdict.next < SHARE_MEMBERS ? view.verdict.next : place.index, now, &view);
}

static __attribute__((noinline)) void leave_slowly(struct table_row *row, uint64_t turn)
{
    int saved = errno;
    int64_t now = os_now();
    unsigned leader = leader_of(turn);
    measure_leave(row);
    if (leader == place.index && turn & TURN_ENDING && load_relaxed(&team.waits_are_short))
        hand_over(turn, now);
    else if (leader < TABLE_ROWS && leader != place.index && look_is_waiting(&place.table->row[leader], now))
        wake(leader); /* for us, it may be */
    errno = saved;
}

static void step_out(struct table_row *row)
{
    __atomic_sub_fetch(&row->activity, 1, __ATOMIC_SEQ_CST);
    uint64_t turn = load_turn();
    if (turn != load_relaxed(&team.granted) || load_relaxed(&team.measured.sample.thread) == &slot)
        leave_slowly(row, turn);
}

/* ---- entering ---- */

/* Enters under `turn`; false: it has changed meanwhile, or a tick is due. */
static bool step_in(struct table_row *row, uint64_t turn, uint32_t tick_mask)
{
    uint64_t entered = __atomic_add_fetch(&row->activity, UINT64_C(1) << 32 | 1, __ATOMIC_SEQ_CST);
    if (load_turn() == turn && (uint32_t)(entered >> 32) & tick_mask)
        return true;
    __atomic_sub_fetch(&row->activity, 1, __ATOMIC_SEQ_CST);
    return false;
}

struct wait {
    int64_t begun;    /* 0: it has not */
    unsigned most;    /* members that took turns with us, at most */
    unsigned leader;  /* whose turn we wait for the end of, */
    int64_t poll;     /* when we look next: after about as long as it has had it, */
    uint32_t entered; /* how many regions it had entered when we last looked, */
    int64_t counted;  /* and when that was */
    unsigned tries;   /* to enter, in vain */
    bool has_parked;
};

/* Enters although the table changes faster than it can be looked at: for one region, under no turn word. */
static uint64_t step_in_anyway(struct table_row *row)
{
    __atomic_add_fetch(&row->activity, UINT64_C(1) << 32 | 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* Its time is over: it runs beside those who would not go. They are not waited for again until their next region. */
static void run_anyway(struct table_row *row, const struct gang *gang, const struct view *view, int64_t now)
{
    for (unsigned i = share_next(&view->ring, 0); i < SHARE_MEMBERS; i = share_next(&view->ring, i + 1))
        if (i != place.index && (uint32_t)load_relaxed(&place.table->row[i].activity))
            look_lapse(i);
    step_in_anyway(row);
    store_relaxed(&team.granted, 0);
    store_relaxed(&team.impatient_until, now + IMPATIENCE);
    report_downgrade(gang->call, REASON_TURN, gang->caller);
}

/* Pool threads that spin whatever we say give their CPUs to the others by a signal, unless a thread of ours still is in
 * a region. */
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

static void fit(struct gang *gang)
{
    unsigned share = load_relaxed(&team.share);
    if (gang->is_malleable && share < gang->size)
        gang->size = share;
}

/* We are inside under `turn`: until it changes our gangs may enter, of the size and with the waits that are found here.
 * In the last region of a turn waits are short, so that the pool's threads sleep when it is over. */
static void take(struct gang *gang, uint64_t turn, int64_t now, const struct view *view)
{
    bool is_last = view->verdict.way == TURN_RUN && leader_of(turn) == place.index && turn & TURN_ENDING;
    store_relaxed(&team.waits_are_short, view->verdict.way == TURN_GIVE_WAY || is_last);
    store_relaxed(&team.is_contended, view->verdict.contended);
    if (view->verdict.way != TURN_RUN)
        store_relaxed(&team.turn_began, 0);
    else if (!load_relaxed(&team.turn_began))
        store_relaxed(&team.turn_began, now);
    if (load_relaxed(&place.table->row[place.index].want.share.wish)) {
        const struct share_table all = {&place.table->row[0].want.share, sizeof(struct table_row), &view->members};
        store_relaxed(&team.share, share_size(&all, leader_of(turn), place.index));
    }
    bool is_measured = measure_begin(now);
    store_release(&team.granted, is_measured || is_last ? 0 : turn); /* with the share */
    fit(gang);
}

/* How long a wait may still last: each of the others may have had its turn. */
static int64_t time_left(const struct wait *wait, int64_t now)
{
    unsigned most = wait->most < MOST_BEFORE ? wait->most : MOST_BEFORE;
    if (now < load_relaxed(&team.impatient_until))
        return wait->begun + SHORT_PATIENCE - now;
    return wait->begun + ((int64_t)settings.patience_ms + 2 * (int64_t)most * settings.quantum_ms) * MILLISECOND - now;
}

/* Whether the leader has run far fewer regions since we last came here than it usually does in that time. */
static bool is_slow(struct wait *wait, unsigned leader, int64_t now)
{
    const struct table_row *row = &place.table->row[leader];
    uint32_t entered = (uint32_t)(load_relaxed(&row->activity) >> 32), before = wait->entered;
    uint64_t usual = (uint64_t)load_relaxed(&row->want.region_ns) + load_relaxed(&row->want.gap_ns) + 1;
    bool is_comparable = leader == wait->leader;
    int64_t time = now - wait->counted;
    wait->entered = entered;
    wait->counted = now;
    return is_comparable && (entered - before + 1) * 4 * usual < (uint64_t)time;
}

/* We are the next in line. If the leader's time is over it is told; if it does not use its turn, we have it. If it is
 * slow, it is made to look whether something is in its way that only it can see. Whether something has changed. */
static bool push_on(uint64_t turn, struct view *view, struct wait *wait, int64_t now)
{
    unsigned leader = view->verdict.leader;
    if (leader != leader_of(turn) || look_is_idle(leader, now))
        return pass_turn(turn, place.index, now, view);
    if (is_slow(wait, leader, now))
        look_touch();
    turn = load_turn();
    if (turn & TURN_ENDING || leader != leader_of(turn) || age_of(turn, now) < settings.quantum_ms)
        return false;
    return change_turn(turn, leader | TURN_ENDING, turn >> 32);
}

static int64_t next_poll(struct wait *wait, unsigned leader)
{
    wait->poll = leader != wait->leader ? FIRST_POLL : wait->poll < LAST_POLL ? 2 * wait->poll : LAST_POLL;
    wait->leader = leader;
    return wait->poll;
}

static void sleep_until_woken(struct table_row *row, uint32_t woken, const struct view *view, struct wait *wait,
                              int64_t left)
{
    int64_t time = NAP;
    if (view->verdict.way == TURN_RUN)
        time = STEP;
    else if (view->verdict.next == place.index)
        time = next_poll(wait, view->verdict.leader);
    os_wait_shared(&row->wake, woken, time < left ? time : left);
}

/* What we had since our turn began counts, also beside another one's turn; but for no more than turns last, if we did
 * not use it to its end. */
static void count_service(struct table_row *row, int64_t now)
{
    int64_t most = 2 * (int64_t)settings.quantum_ms * MILLISECOND, began = load_relaxed(&team.turn_began);
    if (!began)
        return;
    store_relaxed(&team.turn_began, 0);
    uint64_t service = (uint64_t)(now - began < most ? now - began : most) / 1000;
    store_relaxed(&row->want.service_us, load_relaxed(&row->want.service_us) + service);
}

/* The first time round: others are to see that we wait, and that we come as one who has had no less than they. */
static void begin_to_wait(struct table_row *row, struct wait *wait, const struct view *view, int64_t now)
{
    const struct turn_table table = {&place.table->row[0].want, sizeof *row, &view->members, &view->waiting};
    wait->begun = now;
    add_relaxed(&team.waiters, 1);
    count_service(row, now);
    store_relaxed(&row->want.service_us, turn_join(&table, &view->ring, place.index));
}

static void end_wait(struct table_row *row, const struct wait *wait, int64_t now)
{
    park_end(); /* another thread may have parked what this one's team needs */
    if (!wait->begun)
        return;
    store_relaxed(&row->waited_ms, load_relaxed(&row->waited_ms) + look_milliseconds(now - wait->begun));
    if (add_relaxed(&team.waiters, -1) == 0) /* one that begins to wait meanwhile says so again with its next look */
        store_relaxed(&row->waiting, 0);
}

static unsigned count(const struct share_set *set)
{
    unsigned all = 0;
    for (unsigned i = 0; i < SHARE_MEMBERS / 64; i++)
        all += (unsigned)__builtin_popcountll(set->word[i]);
    return all;
}

/* Returns false if the domain is gone. */
static bool wait_for_turn(struct table_row *row, struct gang *gang)
{
    struct wait wait = {.leader = SHARE_MEMBERS};
    while (place_is_ours(row)) {
        announce(row, gang); /* again: somebody may have taken us for idle, or for dead */
        uint32_t woken = load_acquire(&row->wake);
        int64_t now = os_now();
        if (measure_enter(row, now))
            look_touch();
        uint64_t turn = load_turn();
        struct view view;
        look_round(leader_of(turn), now, &view);
        bool may_run = view.verdict.way != TURN_WAIT && !view.is_blocked;
        if (may_run && ++wait.tries > MOST_TRIES)
            turn = step_in_anyway(row);
        if (may_run && (!turn || step_in(row, turn, UINT32_MAX))) {
            announce(row, gang); /* it may have been taken from us while we announced it before */
            take(gang, turn, now, &view);
            end_wait(row, &wait, now);
            return true;
        }
        if (may_run)
            continue;
        /* Sequentially consistent: who leaves a region sees that we wait, or we see that it has left. */
        __atomic_store_n(&row->waiting, look_milliseconds(now) | 1, __ATOMIC_SEQ_CST);
        if (!wait.begun) {
            begin_to_wait(row, &wait, &view, now);
            continue;
        }
        unsigned others = count(&view.ring);
        wait.most = others > wait.most ? others : wait.most;
        int64_t left = time_left(&wait, now);
        if (left <= 0) {
            run_anyway(row, gang, &view, now);
            end_wait(row, &wait, now);
            return true;
        }
        if (!wait.has_parked && gang->waits == TURN_WAITS_SPIN)
            wait.has_parked = park(row);
        if (view.verdict.next != place.index || !push_on(turn, &view, &wait, now))
            sleep_until_woken(row, woken, &view, &wait, left);
    }
    end_wait(row, &wait, os_now());
    return false;
}

/* Our row, after joining if need be; NULL: there is no domain to wait in. */
static struct table_row *row_to_wait_in(enum symbol call, const void *caller)
{
    /* Alone by choice, or since it may make no system calls any more: then it makes none here. */
    if (!load_relaxed(&place.alone) && (!team_prepare() || !park_start()))
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
    struct table_row *row = row_to_wait_in(gang->call, gang->caller);
    bool is_inside = row && wait_for_turn(row, gang);
    if (!is_inside)
        store_relaxed(&team.waits_are_short, false);
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
    if (row && is_announced(row, gang) && step_in(row, load_acquire(&team.granted), load_relaxed(&team.tick_mask)))
        fit(gang);
    else if (!enter_slowly(gang))
        return false;
    if (gang->waits == TURN_WAITS_SPIN)
        park_end(); /* as in end_wait() */
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

bool turn_gives_way(void)
{
    return load_relaxed(&team.waits_are_short);
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
        look_lapse(place.index); /* where it was */
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
