/* What this process knows of its teams and of the other members', beside its row in the table. Private to shim/team. */
#ifndef UNIRUN_SHIM_TEAM_TEAM_H
#define UNIRUN_SHIM_TEAM_TEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/turn.h"
#include "shim/domain/table.h"
#include "shim/os.h"

/* What was last seen of another member. Several threads may write it: each field is a hint. */
struct seen {
    uint64_t activity;
    int64_t since;    /* it has been seen like this; 0: it never was looked at */
    int64_t looked;   /* at its process, */
    int64_t computed; /* which was last seen to */
    uint32_t ticks;
};

/* How the team's regions are measured, one region and the gap behind it at a time. */
struct sample {
    const void *thread; /* whose region it is (its slot); NULL: none is measured */
    bool is_over;       /* the region is, the gap is measured */
    int64_t begun, ended;
    int64_t cpu; /* of the thread, when the region began */
};

struct measured {
    struct sample sample;
    struct turn_samples regions, gaps;
    bool has_threads;
    int64_t cost;      /* how long that took, the last time */
    int64_t refreshed; /* when CPUs, niceness and delays were last read */
    struct delays {
        const void *thread; /* by which thread (its slot), */
        unsigned threads;   /* for how many, */
        int64_t turn;       /* and in which turn, by when it began; 0: in none */
        int64_t read;
        uint64_t sum; /* how long they had waited for CPUs until then, all together */
    } delays;
    struct turn_crowd crowd;
};

/* Nothing in a fork child: it has none of the threads, and is another member. */
union team {
    struct {
        /* While the table's turn word is this, and no tick is due, regions are entered without a look; 0, which no
         * turn is: never. */
        uint64_t granted;
        uint32_t tick_mask; /* a tick is due when the count of regions has none of these bits */
        bool waits_are_short;
        bool is_contended;       /* when we last looked */
        int64_t turn_began;      /* 0: no turn of ours has, since the last one was counted */
        int64_t impatient_until; /* a wait was in vain */
        int32_t waiters;         /* threads that wait for a turn */
        unsigned share;          /* of malleable gangs, under `granted` */
        struct measured measured;
        struct seen seen[TABLE_ROWS];
    };
    char page[12 * OS_PAGE];
};
_Static_assert(sizeof(union team) % OS_PAGE == 0, "whole pages are wiped");
extern union team team __attribute__((visibility("hidden")));

/* Before anything else is done with it. False: the kernel lacks what it takes. Context: any thread. */
bool team_prepare(void);

#endif
