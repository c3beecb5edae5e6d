/* The table of members, and how a turn changes hands: what the shim does with the policy, in simulated time.
 *
 * A member looks at the table when its epoch has moved, and every few milliseconds; otherwise it enters its region
 * without a look. Who may not run sleeps. The first in line looks every other millisecond: it ends a turn that has
 * lasted for the quantum, takes one that is not used, and learns that a region is long. A leader whose time is over
 * runs one more region with short waits, so that its threads sleep by themselves, and wakes the next one, and no other.
 */
#ifndef UNIRUN_SIM_PROTOCOL_H
#define UNIRUN_SIM_PROTOCOL_H

#include "tests/sim/program.h"

struct domain *protocol_start(void);
void protocol_end(struct domain *domain);

/* Before a region: whether it may begin. `cost` is what asking has cost. */
bool protocol_enter(struct world *world, struct program *program, ns *cost);

/* The first thread has done its part of the region. */
void protocol_sample(struct world *world, struct program *program);

/* After a region. Returns what passing on the turn has cost. */
ns protocol_leave(struct world *world, struct program *program);

#endif
