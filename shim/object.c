#include "shim/object.h"

#include <dlfcn.h>
#include <link.h>

static int (*find_object)(void *address, struct dl_find_object *result);

void object_start(void)
{
    find_object = (__typeof__(find_object))dlsym(RTLD_NEXT, "_dl_find_object");
    if (!find_object)
        dlerror(); /* the failed look-up is ours, and no program shall find it */
}

bool object_find(const void *address, struct object *object)
{
    struct dl_find_object found;
    if (!find_object || find_object((void *)address, &found) != 0)
        return false;
    object->name = found.dlfo_link_map->l_name;
    object->base = found.dlfo_link_map->l_addr;
    return true;
}
