/* A row's seat word is its owner's alone, so nothing here needs a lock: everybody goes through the table, and finds who
 * sits, and who waits before it. The first in line alone decides, for itself; and when it goes in, it wakes the next.
 */
#include "shim/domain/line.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/syscall.h>

#include "shim/atomic.h"
#include "shim/domain/capacity.h"
#include "shim/domain/member.h"
#include "shim/domain/place.h"
#include "shim/os.h"
#include "shim/startup.h"

enum {
    MILLISECOND = 1000000,
    TICK = 10 * MILLISECOND, /* of times(2): USER_HZ is 100 on all of Linux */
    /* Who sits is looked at so often at most; one who does nothing from one look to the next sleeps. */
    LOOK = 20 * MILLISECOND,
    /* How long the first in line sleeps, longer each time; and the others, who are woken. Each wake-up takes a CPU from
     * somebody who computes. */
    NAP = 25 * MILLISECOND,
    LONGEST_NAP = 100 * MILLISECOND,
    OTHERS_NAP = 1500 * MILLISECOND,
    /* Who was not heard of for so long does not wait any more: it is stopped. */
    HEARTBEAT_MS = 4000,
    /* Who read the clock, and had to wait for a CPU then, finds times that are later than its own. */
    LATER_MS = 60000,
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

/* Acquire: pairs with the release of sit(): who is seen in line, or sitting, is seen with its CPUs. */
static uint64_t seat_of(const struct table_row *row)
{
    return load_acquire(&row->seat);
}

static void sit(struct table_row *row, uint64_t ticket, unsigned state)
{
    store_release(&row->seat, ticket << SEAT_SHIFT | state);
}

/* ---- the others ---- */

/* What is remembered of who sits where, from one look to the next. Only the first in line looks. */
struct watch {
    uint64_t owner;
    uint32_t ticks;
    bool is_idle;
    int64_t looked;
};
static struct watch watched[TABLE_ROWS];

static bool has_same_cpus(const struct table_row *a, const struct table_row *b)
{
    for (int i = 0; i < SHARE_WORDS; i++)
        if (load_relaxed(&a->want.share.cpus[i]) != load_relaxed(&b->want.share.cpus[i]))
            return false;
    return true;
}

/* Who is in one line, and on the same seats. Other CPUs may be free when these are not. And the kernel gives each
 * session its part of the CPUs (sched(7), autogroup): nobody queues behind what is done in another window. */
static bool is_in_line_with(const struct table_row *a, const struct table_row *b)
{
    return load_relaxed(&a->session) == load_relaxed(&b->session) && has_same_cpus(a, b);
}

/* Whether the one would keep the other from a CPU: not if it is nicer, which gives way. */
static bool stands_in_way(const struct table_row *row, const struct table_row *own)
{
    return load_relaxed(&row->niceness) <= load_relaxed(&own->niceness) && is_in_line_with(row, own);
}

/* How long ago the row's owner was in line for the last time: who sits now, has sat down then. */
static uint32_t since_queued(const struct table_row *row, int64_t now)
{
    uint32_t past = milliseconds(now) - load_relaxed(&row->queued);
    return past > UINT32_MAX - LATER_MS ? 0 : past;
}

/* Whether it has had a CPU for half of the time, or has one now, or waits for one; or has only just sat down. */
static void look_at(struct table_row *row, struct watch *watch, uint64_t owner, int64_t now)
{
    struct pulse pulse = {0};
    enum life life = member_look(owner, &pulse);
    bool is_new = watch->owner != owner;
    if (life == LIFE_DEAD)
        member_clear(row, owner);
    int64_t past = is_new ? (int64_t)since_queued(row, now) * MILLISECOND : now - watch->looked;
    int64_t spent = (int64_t)(uint32_t)(pulse.ticks - (is_new ? 0 : watch->ticks)) * TICK;
    bool sleeps = !pulse.is_runnable && past >= LOOK && 2 * spent < past;
    *watch = (struct watch){owner, pulse.ticks, life != LIFE_ALIVE || sleeps, now};
}

/* Whether the row's owner uses its seat. */
static bool uses_seat(struct table_row *row, unsigned index, int64_t now)
{
    struct watch *watch = &watched[index];
    uint64_t owner = load_relaxed(&row->owner);
    if (watch->owner != owner || now - watch->looked >= LOOK)
        look_at(row, watch, owner, now);
    return owner && !watch->is_idle;
}

static bool is_heard_of(const struct table_row *row, int64_t now)
{
    return since_queued(row, now) < HEARTBEAT_MS;
}

static unsigned count_ahead(const struct table_row *own, uint64_t ticket, int64_t now)
{
    unsigned ahead = 0;
    for (unsigned i = 0; i < rows_of(place.table); i++) {
        const struct table_row *row = &place.table->row[i];
        uint64_t seat = seat_of(row);
        if ((seat & SEAT_MASK) == SEAT_WAITS && seat >> SEAT_SHIFT < ticket && row != own && is_heard_of(row, now))
            ahead += stands_in_way(row, own) && !member_is_gone(load_relaxed(&row->owner));
    }
    return ahead;
}

/* Whether somebody who sits in the row is to be waited for. */
static bool is_taken(const struct table_row *own, unsigned index, admit_facts facts, int64_t now)
{
    struct table_row *row = &place.table->row[index];
    return (seat_of(row) & SEAT_MASK) == SEAT_TAKEN && row != own && stands_in_way(row, own) &&
           admit_waits_for(since_queued(row, now), facts, settings.admit_ms) && uses_seat(row, index, now);
}

static unsigned count_taken(const struct table_row *own, admit_facts facts, int64_t now)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < rows_of(place.table); i++)
        taken += is_taken(own, i, facts, now);
    return taken;
}

/* How many of these are like the own one, and look as if they waited for it. */
static void count_alike(struct admit_place *standing, const struct table_row *own, admit_facts facts, int64_t now)
{
    const uint32_t program = load_relaxed(&own->program);
    for (unsigned i = 0; i < rows_of(place.table); i++) {
        const struct table_row *row = &place.table->row[i];
        if (!is_taken(own, i, facts, now))
            continue;
        const struct admit_sitter sitter = {.is_alike = program && load_relaxed(&row->program) == program,
                                            .verdict = load_relaxed(&row->verdict),
                                            .cpu_ms = watched[i].ticks * (uint64_t)(TICK / MILLISECOND)};
        standing->alike += admit_may_wait_for(&sitter);
        standing->stuck += admit_is_stuck(&sitter, facts);
    }
}

/* ---- waking ---- */

/* Everybody in line sleeps on the same word, told apart by the bits of a mask: 32 of them, by their place. */
static uint32_t bit_of(uint64_t ticket)
{
    return UINT32_C(1) << ticket % 32;
}

/* Of the line of `own`, the first of the least nice. */
static void wake_first(const struct table_row *own, int64_t now)
{
    struct table *table = place.table;
    const struct table_row *first = NULL;
    /* Release: pairs with the acquire in line_wait(): who sees it change sees the seat that is free. */
    __atomic_add_fetch(&table->moves, 1, __ATOMIC_ACQ_REL);
    for (unsigned i = 0; i < rows_of(table); i++) {
        const struct table_row *row = &table->row[i];
        if ((seat_of(row) & SEAT_MASK) != SEAT_WAITS || row == own || !is_heard_of(row, now) ||
            !is_in_line_with(row, own))
            continue;
        int niceness = load_relaxed(&row->niceness), least = first ? load_relaxed(&first->niceness) : INT_MAX;
        if (niceness < least || (niceness == least && seat_of(row) < seat_of(first)))
            first = row;
    }
    if (first)
        os_wake_some(&table->moves, bit_of(seat_of(first) >> SEAT_SHIFT));
}

/* ---- waiting ---- */

static unsigned count_cpus(const struct table_row *own)
{
    struct capacity capacity;
    unsigned cpus = 0;
    for (int i = 0; i < SHARE_WORDS; i++)
        cpus += (unsigned)__builtin_popcountll(own->want.share.cpus[i]);
    capacity_read_quota("", &capacity);
    if (capacity.quota && capacity.quota < cpus)
        cpus = capacity.quota;
    return cpus;
}

/* The line moves when somebody sits down: the clock of those who wait starts anew. */
struct wait {
    int64_t begun, moved;
    uint64_t ahead; /* when it last was looked */
    unsigned cpus;  /* 0: not counted yet */
    bool was_full;  /* there was no seat when it was the first */
};

static enum admit_verdict look(struct wait *wait, const struct table_row *row, uint64_t ticket, admit_facts facts,
                               int64_t now)
{
    struct admit_place standing = {
        .ahead = count_ahead(row, ticket, now), .waited_ms = milliseconds(now - wait->begun), .cpus = 1, .seats = 1};
    if (standing.ahead < wait->ahead)
        wait->moved = now;
    wait->ahead = standing.ahead;
    standing.first_ms = milliseconds(now - wait->moved);
    if (!standing.ahead)
        standing.taken = count_taken(row, facts, now);
    if (standing.taken) {
        if (!wait->cpus)
            wait->cpus = count_cpus(row); /* many files: only where it matters */
        standing.cpus = wait->cpus;
        standing.seats = admit_seats(wait->cpus, settings.max_workers);
        wait->was_full |= standing.taken >= standing.seats;
        if (standing.taken >= standing.seats)
            count_alike(&standing, row, facts, now);
    }
    return admit_now(&standing, facts, settings.admit_ms);
}

static enum admit_verdict wait_in_line(struct table_row *row, uint64_t ticket, admit_facts facts)
{
    int64_t now = os_now();
    struct wait wait = {.begun = now, .moved = now, .ahead = UINT64_MAX};
    const int64_t longest = (int64_t)admit_longest_ms(facts, settings.admit_ms) * MILLISECOND;
    for (int64_t nap = NAP; place_is_ours(row); now = os_now()) {
        /* Acquire: see wake_first(). */
        uint32_t moves = load_acquire(&place.table->moves);
        store_relaxed(&row->queued, milliseconds(now));
        enum admit_verdict verdict = look(&wait, row, ticket, facts, now);
        if (verdict != ADMIT_WAITS) /* others who came at the same time are no wait */
            return wait.was_full || verdict == ADMIT_WAITED_FOR ? verdict : ADMIT_AT_ONCE;
        int64_t left = wait.begun + longest - now, most = wait.ahead ? OTHERS_NAP : nap;
        bool is_over = !os_wait_for(&place.table->moves, moves, left < most ? left : most, bit_of(ticket));
        nap = !is_over || wait.ahead ? NAP : nap < LONGEST_NAP ? 2 * nap : LONGEST_NAP;
    }
    return ADMIT_AT_ONCE;
}

enum admit_verdict line_wait(uint32_t program, admit_facts facts)
{
    int saved = errno;
    enum admit_verdict verdict = ADMIT_AT_ONCE;
    struct table_row *row = place_join();
    if (row) {
        /* Relaxed: it gives out numbers, and orders nothing else. */
        uint64_t ticket = __atomic_add_fetch(&place.table->tickets, 1, __ATOMIC_RELAXED);
        member_read_mask(0, &row->want.share);
        store_relaxed(&row->queued, milliseconds(os_now()));
        store_relaxed(&row->program, program);
        store_relaxed(&row->niceness, (int16_t)member_niceness());
        store_relaxed(&row->session, (uint32_t)os_call(SYS_getsid, 0));
        sit(row, ticket, SEAT_WAITS);
        verdict = wait_in_line(row, ticket, facts);
        store_relaxed(&row->verdict, (uint16_t)verdict);
        if (place_is_ours(row))
            sit(row, ticket, SEAT_TAKEN);
        wake_first(row, os_now()); /* there may be a seat for the next one, too */
    }
    errno = saved;
    return verdict;
}

void line_leave(void)
{
    struct table_row *row = place_row();
    if (!row || !place_is_ours(row) || seat_of(row) == SEAT_NONE)
        return;
    sit(row, 0, SEAT_NONE);
    wake_first(row, os_now());
}
