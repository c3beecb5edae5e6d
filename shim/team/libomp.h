#ifndef UNIRUN_SHIM_TEAM_LIBOMP_H
#define UNIRUN_SHIM_TEAM_LIBOMP_H

#include <stdbool.h>

/* Whether libomp, which has been initialised, tells us of its regions itself: then its entry points need not. */
bool libomp_watches_itself(void);

#endif
