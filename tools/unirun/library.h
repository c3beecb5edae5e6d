/* Where libunirun_shim.so is, and how it gets into LD_PRELOAD. */
#ifndef UNIRUN_TOOLS_LIBRARY_H
#define UNIRUN_TOOLS_LIBRARY_H

#include <stdbool.h>

#define LIBRARY_NAME "libunirun_shim.so"

/* The library that belongs to this command: installed beside it, or of the same build tree. NULL where there is none;
 * then `*looked` names the places. Both are allocated. */
char *library_find(char **looked);

/* An absolute path for `given`, which names a file. Allocated. */
char *library_absolute(const char *given);

/* What makes `path` useless in LD_PRELOAD, to end a sentence with; NULL where nothing does. */
const char *library_problem(const char *path);

/* LD_PRELOAD with `path` first (NULL: without it) and what `preload` (may be NULL) has beside our library, in order.
 * Allocated. */
char *library_preload(const char *path, const char *preload);

#endif
