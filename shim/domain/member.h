/* Members: who is in the domain's table. */
#ifndef UNIRUN_SHIM_DOMAIN_MEMBER_H
#define UNIRUN_SHIM_DOMAIN_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/domain/table.h"

/* What a row's owner is doing. */
enum life { LIFE_DEAD, LIFE_STOPPED, LIFE_ALIVE };

/* Of the process that `owner` names. In doubt it is alive. Reads a file: for slow paths. */
enum life member_life(uint64_t owner);

/* The same, with what tells whether it computes: the CPU time that it has had, in the ticks of times(2), and whether
 * its main thread wants the CPU just now. Where /proc does not tell, that one does. */
struct pulse {
    uint32_t ticks;
    bool is_runnable;
};
enum life member_look(uint64_t owner, struct pulse *pulse);

/* What a process has, as far as /proc tells; false: it does not, or the process has ended. `start` is as in an owner
 * word; the memory that is its own alone is in MiB; it is asleep if its main thread waits for something that is not the
 * disk.
 */
struct weight {
    uint32_t start, ticks;
    unsigned memory;
    bool is_asleep;
    char name[TABLE_NAME]; /* as in a row, but terminated */
};
bool member_weigh(uint32_t pid, struct weight *weight);

/* Whether there is no such process any more, as far as one system call tells: one that has ended may still be there,
 * and its number may be another one's by now. */
bool member_is_gone(uint64_t owner);

/* The calling process's owner word. */
uint64_t member_self(void);

/* The CPUs that a thread of this process may use; 0: the calling one. */
void member_read_mask(int tid, struct share_want *want);

/* How the calling thread yields to others: -20 to 19 as setpriority(2) has it, 20 under SCHED_IDLE, -21 under what goes
 * before all of these (sched(7)). */
int member_niceness(void);

/* Takes a row for `owner`, which may have left one behind by exec; NULL: the table is full. */
struct table_row *member_take_row(struct table *table, uint64_t owner);

/* Clears the rows of those who were killed, as far as their numbers alone tell: that is quick. A dead owner whose
 * number is another's by now is found by those who wait for it, or when the table is full. */
void member_sweep(struct table *table);

/* Gives the row of an owner who leaves, or has died, back, unless it is another's by now. */
void member_clear(struct table_row *row, uint64_t owner);

#endif
