/* A kernel before 4.14: MADV_WIPEONFORK is refused. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>

int madvise(void *address, size_t size, int advice)
{
    if (advice == MADV_WIPEONFORK) {
        errno = EINVAL;
        return -1;
    }
    return ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise"))(address, size, advice);
}
