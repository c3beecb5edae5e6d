/* The loaded objects: which one an address is in, and all of them. */
#ifndef UNIRUN_SHIM_OBJECT_H
#define UNIRUN_SHIM_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_map;
struct dl_phdr_info;

struct object {
    const char *name; /* the loader's: a path, or "" for the program itself; constant while the object is loaded */
    uintptr_t base;   /* what is added to the addresses in its file */
    const struct link_map *map;
    const void *start; /* where its file begins in memory */
};

/* Whether `address` is in an object, and in which. Lock-free where libc has _dl_find_object (2.35 and up); elsewhere
 * false. Context: any thread, a signal handler. */
bool object_find(const void *address, struct object *object);

/* Looks up now what it takes. Context: start-up, where later nothing may be looked up. */
void object_settle(void);

/* Whether the object, or the program, has a note of `owner`'s among what is loaded of it. Takes no lock. */
bool object_has_note(const struct object *object, const char *owner);
bool object_program_has_note(const char *owner);

/* Runs `visit` for the objects as dl_iterate_phdr(3) does, under the loader's lock: none comes or goes meanwhile. Where
 * object_can_walk() says no, and in passthrough, it runs once, without that lock, for NULL. One walk at a time, and
 * none during a fork, but not for longer than a moment: then a walk that is awaited by the program, which may hold the
 * loader's lock itself, is made all the same, and any other one is not. Whether it was. Context: where the program
 * itself may call dl_iterate_phdr. */
bool object_walk(int (*visit)(struct dl_phdr_info *, size_t, void *), void *arg, bool is_awaited);

/* False in a fork child of a process that had threads until the loader's lock was seen free there: one of them may have
 * held it, and nobody frees it in the child. */
bool object_can_walk(void);

/* The process is about to have a second thread. Context: any thread, as often as one likes. */
void object_prepare(void);

/* Around fork: no thread is inside the loader's lock because of us. The wait is bounded. A handler of fork may fork in
 * between. */
void object_prefork(void);
void object_postfork(void);

#endif
