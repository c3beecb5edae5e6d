#include "shim/libc.h"

#include "shim/switchboard/lookup.h"

struct libc libc;

void libc_start(void)
{
#define LIBC_NAME(name) {#name, NULL},
    static const struct lookup wanted[] = {LIBC_FUNCTIONS(LIBC_NAME)};
    lookup_next(sizeof wanted / sizeof *wanted, wanted, (void **)&libc);
}
