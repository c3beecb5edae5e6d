/* How our own teams run: how long regions and the gaps between them usually are, on which CPUs, how nicely, and whether
 * the kernel lets their threads wait. All of it is read now and then, on the way through a look. */
#ifndef UNIRUN_SHIM_TEAM_MEASURE_H
#define UNIRUN_SHIM_TEAM_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/domain/table.h"

/* The calling thread is about to enter a region. Reads what is due; whether the row says something new. */
bool measure_enter(struct table_row *row, int64_t now);

/* The region begins: whether it is measured, which takes a call of the next two. */
bool measure_begin(int64_t now);
void measure_leave(struct table_row *row);

/* The CPUs of the team are those of the calling thread and of the threads of runtimes' pools: where they are bound,
 * each has its own. Whether the row says something new. */
bool measure_cpus(struct table_row *row);

#endif
