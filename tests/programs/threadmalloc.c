/* An allocator whose first call makes a thread, as allocators with background threads do. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char arena[64 << 20] __attribute__((aligned(4096)));
static size_t used;
static int started;

static void *background(void *arg)
{
    return arg;
}

static void start_background(void)
{
    if (__atomic_exchange_n(&started, 1, __ATOMIC_RELAXED))
        return;
    pthread_t thread;
    static const char ok[] = "malloc made a thread\n", failed[] = "malloc could not make a thread\n";
    if (pthread_create(&thread, NULL, background, NULL) == 0 && pthread_join(thread, NULL) == 0)
        (void)!write(1, ok, sizeof ok - 1);
    else
        (void)!write(1, failed, sizeof failed - 1);
}

void *malloc(size_t size)
{
    start_background();
    size_t at = __atomic_fetch_add(&used, (size + 31) & ~(size_t)15, __ATOMIC_RELAXED);
    if (at + size + 32 > sizeof arena)
        return NULL;
    *(size_t *)(arena + at) = size;
    return arena + at + 16;
}

void free(void *memory)
{
    (void)memory;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *old, size_t size)
{
    void *fresh = malloc(size);
    if (old && fresh) {
        size_t old_size = *(size_t *)((char *)old - 16);
        memcpy(fresh, old, old_size < size ? old_size : size);
    }
    return fresh;
}
