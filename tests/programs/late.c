/* A library that is opened late and privately. */
#include "calls.h"

__attribute__((constructor)) static void construct(void)
{
    call_threads("late constructor");
}

void late(void);
void late(void)
{
    call_all("late");
}
