/* Which object a name leads to, and which one is next. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static const char *object_of(void *address)
{
    Dl_info info;
    if (!address || !dladdr(address, &info))
        return "nowhere";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash ? slash + 1 : info.dli_fname;
}

int main(void)
{
    printf("pthread_create in %s\n", object_of(dlsym(RTLD_DEFAULT, "pthread_create")));
    void *shim = dlopen("libunirun_shim.so", RTLD_NOW | RTLD_NOLOAD);
    struct link_map *map = NULL;
    if (!shim || dlinfo(shim, RTLD_DI_LINKMAP, &map) || !map->l_next)
        return 1;
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    printf("behind it %s\n", object_of(dlsym(libc, "pthread_create")));
    return 0;
}
