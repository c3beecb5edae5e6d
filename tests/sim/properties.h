/* What must hold, in the table's mixes and in random ones. */
#ifndef UNIRUN_SIM_PROPERTIES_H
#define UNIRUN_SIM_PROPERTIES_H

#include <stdint.h>

/* As TAP; `first` is the first seed. Returns an exit status. */
int properties(uint64_t first);

#endif
