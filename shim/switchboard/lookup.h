/* Symbols of the loaded objects, in the loader's search order.
 *
 * Not by dlsym: that takes the loader's lock, allocates where a symbol is missing, and clears what dlerror would have
 * told the program next. This only reads what the loader has mapped, in one pass at start-up while no object can go
 * away. */
#ifndef UNIRUN_SHIM_SWITCHBOARD_LOOKUP_H
#define UNIRUN_SHIM_SWITCHBOARD_LOOKUP_H

/* A reference; `version` is NULL for one without. */
struct lookup {
    const char *name;
    const char *version;
};

/* What `count` references would bind to behind us: each to the first definition in the objects that come after ours. An
 * object that gives its symbols no versions answers to any; one that has the name at other versions only is passed
 * over, as the loader does. Where nobody behind us has it (we were opened by
 * dlopen, or linked behind libc), the first before us counts. found[i] stays as it is where it is not NULL before.
 * Context: start-up, or an earlier call. */
void lookup_next(unsigned count, const struct lookup *wanted, void **found);

/* The first definition in all objects, from the program on; and in those before ours. */
void *lookup_first(const char *name);
void *lookup_before(const char *name);

/* The object that a reference to `name` in the object `from` (NULL: the program) binds to, other than ours: as far as
 * can be told from what is loaded. That is the first with a definition among those that the program needs, then those
 * that `from` needs, breadth first; then the first of all. NULL: there is none. Context: under the loader's lock, see
 * object_walk(), or alone. */
struct link_map;
const struct link_map *lookup_provider(const struct link_map *from, const char *name);

/* A definition in one object; NULL: it has none. */
void *lookup_in(const struct link_map *map, const char *name);

#endif
