#include "shim/object.h"

#include <link.h>
#include <stddef.h>

#include "shim/switchboard/lookup.h"

static int (*find_object)(void *address, struct dl_find_object *result);

void object_start(void)
{
    static const struct lookup wanted = {"_dl_find_object", NULL};
    lookup_next(1, &wanted, (void **)&find_object);
}

bool object_find(const void *address, struct object *object)
{
    struct dl_find_object found;
    if (!find_object || find_object((void *)address, &found) != 0)
        return false;
    object->name = found.dlfo_link_map->l_name;
    object->base = found.dlfo_link_map->l_addr;
    object->map = found.dlfo_link_map;
    return true;
}
