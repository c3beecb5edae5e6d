/* This process's place in the domain: its row in the table. There is none in a fork child, however it was forked, until
 * it takes one of its own. */
#ifndef UNIRUN_SHIM_DOMAIN_PLACE_H
#define UNIRUN_SHIM_DOMAIN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/domain/table.h"
#include "shim/lock.h"

/* Whole pages, which the kernel hands to a fork child zeroed. */
union place {
    struct {
        lock_word joining;
        bool alone;            /* no domain: nobody to share with */
        bool missed;           /* because it cannot be had, which nobody has said yet */
        struct table *table;   /* a child maps it again: it may be another user's by then */
        struct table_row *row; /* NULL: not joined. Written last, with release */
        uint32_t index;
        uint32_t stay; /* counts how often this process, and those that it was forked from, have joined */
        uint64_t owner;
    };
    char page[OS_PAGE];
};
extern union place place __attribute__((visibility("hidden")));

/* Our row, after joining if need be; NULL: there is no domain, or none that can be trusted. Context: any thread, under
 * no lock. Keeps errno, is no cancellation point. */
struct table_row *place_join(void);

/* Our row, if there is one already. NULL in a vfork child, too: there it is its parent's. Context: any. */
struct table_row *place_row(void);

/* For those who look on (unirun ps): threads of this process that run a task, and that are parked; and one more
 * downgrade. Nothing where there is no row. Context: any. */
void place_show_threads(unsigned running, unsigned parked);
void place_show_downgrade(void);

/* Whether the row still is ours: nobody has damaged the table, or taken us for dead. */
bool place_is_ours(const struct table_row *row);

/* Whether the domain cannot be had although it was wanted. True once: for whoever says so. */
bool place_is_missed(void);

/* From now on this process has no domain. What it left in the table is for others to clear. */
void place_abandon(void);

/* Gives the row back, if this process has one; the next user joins again. Whether CPUs are free because of that.
 * Nothing in a vfork child. Context: any, also a signal handler. */
bool place_leave(void);

/* Whether the user wants no domain. Context: any, after start-up. */
bool place_is_private(void);

/* Once, at start-up. */
void place_start(void);

#endif
