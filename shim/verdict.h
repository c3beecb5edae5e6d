/* The one place where a call of a managed process learns whether it is managed. */
#ifndef UNIRUN_SHIM_VERDICT_H
#define UNIRUN_SHIM_VERDICT_H

#include "policy/decide.h"
#include "shim/switchboard/switchboard.h"

/* Finds out what can be managed here, and makes it ready. `tidy`: parked threads end before the process does.
 * Context: start-up, in managed mode. */
void verdict_start(bool tidy);

/* Makes ready now what would be made ready with the first thread. Context: as may_manage(). */
void verdict_prepare(void);

/* Decides on `request`, made through row `call` by the code at `caller`; a downgrade is reported. Whether it is
 * managed. Context: any thread, a signal handler, a fork or vfork child. Keeps errno. */
bool may_manage(enum request request, enum symbol call, const void *caller);

#endif
