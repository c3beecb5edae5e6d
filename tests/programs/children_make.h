/* Every way to make a child (children_make.c), for every place to make it in (children.c). */
#ifndef CHILDREN_MAKE_H
#define CHILDREN_MAKE_H

#include "children.h"

/* Makes them all, waits for each, and says what came of it. A child that shall end by returning comes back from it: it
 * goes on as if nothing had happened, and makes no more. */
void make_all(void);

extern bool is_child;
extern bool is_crowded;     /* other threads run: a child without fork handlers keeps to system calls */
extern bool is_inside_fork; /* the child of the fork that called us is one more */
extern bool may_end_thread; /* not in a handler: nothing says what comes of what it has interrupted */

/* children_library.c: runs when the library's destructor does, if set. */
extern void (*at_library_end)(void);

#endif
