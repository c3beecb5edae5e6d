/* Which loaded object an address is in. */
#ifndef UNIRUN_SHIM_OBJECT_H
#define UNIRUN_SHIM_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct link_map;

struct object {
    const char *name; /* the loader's: a path, or "" for the program itself; constant while the object is loaded */
    uintptr_t base;   /* what is added to the addresses in its file */
    const struct link_map *map;
};

/* Whether `address` is in an object, and in which. Lock-free where libc has _dl_find_object (2.35 and up); elsewhere
 * false. Context: any thread, a signal handler. */
bool object_find(const void *address, struct object *object);

/* Once, at start-up. */
void object_start(void);

#endif
