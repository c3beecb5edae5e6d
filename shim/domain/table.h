/* The domain's table: shared memory of the programs of one user, in one PID namespace, that share the CPUs.
 *
 * A protocol between versions of this library: fixed-width fields, no pointers, all-zero is an empty table. A change of
 * the layout changes TABLE_VERSION, which is part of the file's name. What is read here may be anything: other
 * processes write it, and may be killed, or broken, between any two instructions. */
#ifndef UNIRUN_SHIM_DOMAIN_TABLE_H
#define UNIRUN_SHIM_DOMAIN_TABLE_H

#include <stdint.h>

#include "policy/turn.h"

enum { TABLE_VERSION = 4, TABLE_ROWS = 1024, TABLE_NAME = 16 };

/* A row belongs to its owner, who alone writes it; except that others may set `demand` to 0 when the owner does not use
 * what it wants (it sees that at its next region), and `owner` to 0 when the owner is dead; that they raise
 * `want.region_ns` when they see it in a region for longer; and that whoever wakes it adds to `wake`. */
struct table_row {
    uint64_t owner;     /* process id, and its start time << 32, which is 0 where /proc does not tell; 0: a free row */
    uint32_t waiting;   /* in wait for a turn: when it last said so, in milliseconds; 0: it is not */
    uint32_t waited_ms; /* in total */
    char name[TABLE_NAME]; /* the program's, for those who look on; not terminated where it fills the field */
    uint64_t seat;         /* admission: SEAT_ states below, and its place in the line << SEAT_SHIFT */
    uint32_t queued;       /* in line for a seat: when it last was, in milliseconds */
    uint32_t running;      /* for those who look on: tasks in managed threads, */
    uint32_t parked;       /* threads without one, */
    uint32_t downgrades;   /* and downgrades so far */
    uint32_t program;      /* of one in line, or with a seat: what it is a run of (line.h); 0: that is not known; */
    int16_t niceness;      /* how it yields to others (member.h); */
    uint16_t verdict;      /* and why it sits (admit.h). All are written before the seat */
    uint64_t activity; /* parallel regions that its threads are in, and how many were entered << 32; a cache line of its
                          own */
    uint64_t reserved2[7];
    struct turn_want want; /* demand is written last, and read first */
    uint32_t session;      /* of one in line, or with a seat: getsid(2); written before the seat */
    uint32_t wake;         /* the futex that it waits for its turn on; whoever wakes it adds one */
    uint64_t room;         /* admission: SEAT_ states of its memory, and its place in the line << SEAT_SHIFT */
    uint32_t need;         /* of one whose room is not NONE: the memory that its run needs, in MiB; 0: not known */
    uint32_t scope;        /* which limit that is about (memory.h), */
    uint32_t asked;        /* and when it last waited, in milliseconds. Both are written before the room */
    uint32_t pad[17];
} __attribute__((aligned(64)));

/* row.seat, which its owner alone writes: of a program that computes, and has a CPU or waits for one. */
enum { SEAT_NONE, SEAT_WAITS, SEAT_TAKEN, SEAT_MASK = 3, SEAT_SHIFT = 2 };

/* turn: whose it is, and a number that changes with everything that may change who runs, or how. Who enters a region
 * compares it with what it was when last looked at: one load tells that nothing has changed.
 *
 *   bits 0-14   the leader's row
 *   bit 15      the leader's time is over: it hands the turn on at the end of its next region
 *   bits 16-31  changes
 *   bits 32-63  since when it leads: CLOCK_MONOTONIC in milliseconds, modulo 2^32 */
enum { TURN_LEADER = 0x7fff, TURN_ENDING = 0x8000 };

struct table {
    uint64_t magic;
    uint32_t rows; /* no row from here on was ever used */
    uint32_t pad[13];
    uint64_t turn;
    uint64_t pad2[7];
    uint64_t tickets; /* places in the line that were given out */
    uint32_t moves;   /* changes when a seat becomes free, or the line moves: the futex of those who are in it */
    uint32_t pad3[13];
    struct share_set active; /* rows that may have demand: those without a bit have none */
    uint64_t pad4[472];
    struct table_row row[TABLE_ROWS];
};

#define TABLE_MAGIC (UINT64_C(0x756e6972756e0000) | TABLE_VERSION)

_Static_assert(sizeof(struct table_row) == 384, "the layout is an interface");
_Static_assert(sizeof(struct table) == 4096 + 384 * 1024, "the layout is an interface");

/* Maps the table of the domain called `name`, and makes it if it is not there. NULL: it cannot be had, or cannot be
 * trusted. Context: any thread, under no lock. Keeps no descriptor, and errno. Not there in a fork
 * child. */
struct table *table_map(const char *name);

/* Whether it still looks like a table. */
static inline bool table_is_sound(const struct table *table)
{
    return *(const volatile uint64_t *)&table->magic == TABLE_MAGIC;
}

#endif
