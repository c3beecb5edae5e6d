/* A library that the program is linked with, so that its constructor runs before that of a preload. */
#include "calls.h"

__attribute__((constructor)) static void construct(void)
{
    call_all("early constructor");
}

__attribute__((destructor)) static void destruct(void)
{
    call_all("destructor");
}

int early_answer(void);
int early_answer(void)
{
    return 42;
}
