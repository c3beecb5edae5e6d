#include "shim/libc.h"

#include "shim/switchboard/lookup.h"

struct libc libc;

void libc_start(void)
{
#define LIBC_NAME(name) {#name, NULL},
    static const struct lookup wanted[] = {LIBC_FUNCTIONS(LIBC_NAME)};
    /* Not that of a preload which makes time stand still: waits of ours would never end. */
    bool is_ambiguous;
    const struct link_map *provider = lookup_provider(NULL, "gnu_get_libc_version", NULL, &is_ambiguous);
    if (provider)
        libc.clock_gettime = (__typeof__(libc.clock_gettime))lookup_in(provider, "clock_gettime");
    lookup_next(sizeof wanted / sizeof *wanted, wanted, (void **)&libc);
}
