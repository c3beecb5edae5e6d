#include "shim/libc.h"

#include <stddef.h>
#include <stdint.h>

#include "shim/atomic.h"
#include "shim/switchboard/lookup.h"

/* Names by their place in one text, and not by pointers, which the loader would have to relocate. */
static const struct names {
#define POINTER(name) char name[sizeof #name];
#define FUNCTION(name) char name[sizeof #name];
#include "shim/libc.def"
} names = {
#define POINTER(name) .name = #name,
#define FUNCTION(name) .name = #name,
#include "shim/libc.def"
};
static const uint16_t name_at[] = {
#define POINTER(name) offsetof(struct names, name),
#define FUNCTION(name) offsetof(struct names, name),
#include "shim/libc.def"
};

enum { CLOCK_GETTIME = offsetof(struct libc, clock_gettime) / sizeof(void *) };

void *libc_bind(unsigned row)
{
    const char *name = (const char *)&names + name_at[row];
    /* Not the clock of a preload which makes time stand still: waits of ours would never end. */
    void *address = row == CLOCK_GETTIME ? lookup_in_libc(name) : NULL;
    if (!address)
        address = lookup_behind(name, NULL);
    store_relaxed((void **)&libc + row, address); /* whoever finds it finds the same */
    return address;
}

void libc_bind_all(void)
{
    for (unsigned row = 0; row < sizeof name_at / sizeof *name_at; row++)
        libc_bind(row);
}
