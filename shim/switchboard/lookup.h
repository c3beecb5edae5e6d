/* Symbols of the loaded objects, in the loader's search order.
 *
 * Not by dlsym: that takes the loader's lock, allocates where a symbol is missing, and clears what dlerror would have
 * told the program next. This only reads what the loader has mapped, at start-up, or in objects that are there for
 * good. It calls next to nothing of libc: libc's functions are found here. */
#ifndef UNIRUN_SHIM_SWITCHBOARD_LOOKUP_H
#define UNIRUN_SHIM_SWITCHBOARD_LOOKUP_H

#include <stdbool.h>

/* What a reference to `name` would bind to behind us: the first definition in the objects that come after ours. An
 * object that gives its symbols no versions answers to any; one that has the name at other versions only is passed
 * over, as the loader does. Where nobody behind us has it (we were opened by dlopen, or linked behind libc), the first
 * before us counts. Context: start-up, or under the loader's lock. */
void *lookup_next(const char *name);

/* The same for what libc provides, and up to libc; `version` is NULL for a reference without one. Context: any; where
 * lookup_start() said no, start-up. */
void *lookup_behind(const char *name, const char *version);

/* The first definition in all objects, from the program on; and in those before ours. */
void *lookup_first(const char *name);
void *lookup_before(const char *name);

/* The object that a reference to `name` in the object `from` (NULL: the program) binds to, other than ours. `global` is
 * what dlsym(RTLD_NEXT) says, if it was asked: which objects were opened for all to see only the loader knows. It need
 * not be asked unless *is_ambiguous is set. Otherwise the first of the objects that the program started with, then the
 * only one that there is, then the first among those that `from` needs, breadth first. NULL: there is none. Context:
 * under the loader's lock, see object_walk(), or alone. */
struct link_map;
const struct link_map *lookup_provider(const struct link_map *from, const char *name, const struct link_map *global,
                                       bool *is_ambiguous);

/* Whether the program started with the object: it is never unloaded. */
bool lookup_is_from_start(const struct link_map *map);

/* What is loaded now is what the program has started with. Whether libc is behind us: then we are part of that, and so
 * is everything up to libc. Once. */
bool lookup_start(void);

/* libc's own, whoever stands before it. NULL also before lookup_start(). Context: any. */
void *lookup_in_libc(const char *name);

/* The first definition, other than ours, in what the program started with: it is there for good. Before lookup_start()
 * nothing else is loaded yet. Context: any. */
void *lookup_at_start(const char *name);

/* Our own file, as the loader names it for good; NULL: it does not know us. Context: start-up. */
const char *lookup_own_path(void);

/* A definition in one object; NULL: it has none. */
void *lookup_in(const struct link_map *map, const char *name);

#endif
