/* How programs with teams share CPUs that do not suffice for all of them.
 *
 * A thread of a team that waits for the others may spin, which costs its CPU, or block, which costs a wake-up:
 * two-phase waiting (Ousterhout, 1982; Karlin and others, 1991) spins for as long as a block costs. While nobody else
 * wants the CPU, spinning longer costs nothing. So:
 *
 *   spin       nobody is in the way: waits are what the runtime makes of them
 *   give way   waits are short: a thread without work leaves its CPU to a thread that has some, the kernel schedules,
 *              and nobody waits for anybody's turn. Serial parts of one program overlap with regions of another
 *   turns      for regions so short and so close that a wake-up costs more than a wait: such programs, and those beside
 *              them that lose less by it, run one after the other, for a quantum each (gang scheduling), in the order
 * of attained service
 *
 * Nobody waits for a nicer program, nor gives way to it.
 *
 * Pure, as policy/share: no system call, allocation, clock or global; any table gives an answer; linear in members. */
#ifndef UNIRUN_POLICY_TURN_H
#define UNIRUN_POLICY_TURN_H

#include "policy/share.h"

/* How the waits of a member's team can be influenced. */
enum turn_waits {
    TURN_WAITS_TOLD,  /* they are long or short as we say */
    TURN_WAITS_SPIN,  /* they spin, whatever we say */
    TURN_WAITS_BLOCK, /* they leave their CPU soon by themselves: they block, or yield */
};

/* What a member wants, and how it usually runs. All zero: nothing. */
struct turn_want {
    struct share_want share;
    uint32_t region_ns;  /* how long a region of its team computes, usually; 0: not known yet */
    uint32_t gap_ns;     /* and how long it is until the next one */
    uint64_t service_us; /* the turns that it has had, in the time that the members which take turns have in common */
    int8_t niceness;     /* as setpriority(2) has it; 20: SCHED_IDLE; -21: real time */
    uint8_t waits;       /* enum turn_waits */
    uint8_t is_crowded;  /* load that nobody manages is in its way */
    uint8_t reserved[5];
};

/* Members whose want may be looked at, and those of them that wait for their turn just now. */
struct turn_table {
    const volatile struct turn_want *first;
    size_t stride;
    const struct share_set *members, *waiting;
};

enum turn_way {
    TURN_SPIN,
    TURN_GIVE_WAY,
    TURN_RUN,  /* it takes turns, and may run now; its waits spin */
    TURN_WAIT, /* it takes turns, and may not run now */
};

struct turn_verdict {
    enum turn_way way;
    bool contended;  /* members want more than its CPUs */
    unsigned leader; /* of those who take turns with it: whose turn it is; SHARE_MEMBERS: it takes none */
    unsigned next;   /* who is next: of those who wait, the one that has had the least; SHARE_MEMBERS: nobody waits */
};

/* What the table says to the member `me`, while `leader` has the turn. `ring` and `runs`, if they are not NULL, get
 * those who take turns with it, and those of them that may run now. */
struct turn_verdict turn_decide(const struct turn_table *table, unsigned leader, unsigned me, struct share_set *ring,
                                struct share_set *runs);

/* Whether load that nobody manages is in the way of a team. All zero: it is not. */
struct turn_crowd {
    int64_t until, hold; /* nanoseconds */
};

static inline bool turn_is_crowded(const struct turn_crowd *crowd, int64_t now)
{
    return now < crowd->until;
}

/* The team's threads, all together, have waited `delay_ns` for CPUs within `wall_ns`: the part of the time in which the
 * others may have had to wait for one of them. `is_in_turn`: in a turn of the team, when no other member was in its
 * way. Otherwise it was alone, also when it gave way. While members are in each other's way nothing can be told; so a
 * crowd in a turn is believed in for a while, and for longer each time that it is still there. */
void turn_notice_delay(struct turn_crowd *crowd, uint64_t delay_ns, uint64_t wall_ns, bool is_in_turn, int64_t now);

/* The last lengths that were measured. All zero: none. */
enum { TURN_SAMPLES = 15 };
struct turn_samples {
    uint32_t length[TURN_SAMPLES], count;
};

/* Adds a length in nanoseconds, and says what is usual: the median of the last ones, so that a region in which a thread
 * had to wait for its CPU does not count for more than any other. Never 0. */
uint32_t turn_usual(struct turn_samples *samples, uint64_t length);

/* What a region has computed whose thread had `cpu_ns` of CPU time, if its waits were short: blocking and waking the
 * others is part of that time, and would not be if it had spun. */
uint64_t turn_region_length(uint64_t cpu_ns, bool waits_were_short);

/* The service that counts for a member that begins to wait for turns: no more behind than any of the others, as in
 * start-time fair queueing (Goyal and others, 1996), so that it cannot make up for time in which it wanted none; nor
 * far ahead of them, so that it does not wait for long because it could run beside others while they had their turns.
 */
uint64_t turn_join(const struct turn_table *table, const struct share_set *ring, unsigned me);

#endif
