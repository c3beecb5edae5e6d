/* The cgroup of this process, in the hierarchy of a controller, and the small files in it.
 *
 * `root` is put before every path that is opened: "" for the machine, the directory of a made-up tree for a test.
 * Context of all: any thread, fork child, before constructors. They take no lock, allocate nothing and keep no
 * descriptor; but they change errno, and open and read are cancellation points. */
#ifndef UNIRUN_SHIM_DOMAIN_HIERARCHY_H
#define UNIRUN_SHIM_DOMAIN_HIERARCHY_H

#include "policy/cgroup.h"

/* Whether the cgroup that has `controller` is known and can be reached; then *place is where. *version is that of its
 * hierarchy in either case. */
bool hierarchy_find(const char *root, const char *controller, enum cgroup_version *version, struct cgroup_place *place);

/* Room for what a file of one or two numbers says. */
enum { HIERARCHY_NUMBER = 64 };

/* Reads the file `name` ("/cpu.max") in `directory`; how much it says. A file that fills the buffer may have more to
 * say, so it is in doubt as a missing one is: 0. */
size_t hierarchy_read(const char *root, const char *directory, const char *name, char buffer[HIERARCHY_NUMBER]);

/* Finds what a line of the file says of `name` (cgroup_memory_line). */
bool hierarchy_read_line(const char *root, const char *directory, const char *file, const char *name, uint64_t *bytes);

#endif
