/* Thread-pool runtimes among the loaded objects: known by what they export, as their files are renamed in wheels. */
#ifndef UNIRUN_SHIM_DOMAIN_RUNTIME_H
#define UNIRUN_SHIM_DOMAIN_RUNTIME_H

#include "policy/count.h"
#include "shim/object.h"

/* The runtime that the code at `address` is of, and its object; RUNTIME_NONE for any other code. Looked up once for
 * each object. Context: any thread, a signal handler; takes no lock. */
enum runtime runtime_of(const void *address, struct object *object);

/* Whether this is the first time that it is asked for `object`. After an object was unloaded, false for the one that is
 * loaded in its place. Context: as runtime_of(), which must have been called for it. */
bool runtime_is_starting(const struct object *object);

#endif
