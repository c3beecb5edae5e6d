#ifndef UNIRUN_SHIM_THREAD_CHANGE_H
#define UNIRUN_SHIM_THREAD_CHANGE_H

#include <stdbool.h>

/* Whether any thread of the process has been given a name: then a new one must be given its creator's. */
bool names_are_used(void);

/* `worker` (NULL: a thread that is none) was given a name. */
struct worker;
void names_changed(struct worker *worker);

#endif
