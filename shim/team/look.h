/* The other members, as they are now: who uses what it wants, and what that means for us. */
#ifndef UNIRUN_SHIM_TEAM_LOOK_H
#define UNIRUN_SHIM_TEAM_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/turn.h"
#include "shim/domain/table.h"

struct view {
    struct share_set members, waiting, ring, runs;
    struct turn_verdict verdict;
    bool is_blocked; /* a member that takes turns with us, and may not run, is still inside */
};

/* Goes through the table, and gives the verdict for `leader` having the turn. Members that do nothing with what they
 * want, that are stopped or dead, lose it; ones that are inside a region for long are known as such from here on.
 * Context: any thread whose process has a row, under no lock. */
void look_round(unsigned leader, int64_t now, struct view *view);

/* The same for another leader, without looking at anybody again. */
void look_again(unsigned leader, struct view *view);

/* Whether the member runs no region, and has not for so long that its turn may be taken. */
bool look_is_idle(unsigned index, int64_t now);

/* Whether a member waits for its turn; it says so again and again. */
bool look_is_waiting(const struct table_row *row, int64_t now);

/* Times in rows: milliseconds of os_now(), modulo 2^32. */
uint32_t look_milliseconds(int64_t now);

/* The member wants nothing until its next region; everybody looks again. */
void look_lapse(unsigned index);

/* Everybody looks again before its next region. */
void look_touch(void);

#endif
