/* Thread-local data, here and in libraries (fresh_lib.c), and the values of keys. */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

#include "fresh.h"
#include "posix_cases.h"

/* ---- thread-local data ---- */

static int pointed_at;
static __thread int seven = 7;
static __thread int *pointer = &pointed_at;
static __thread char zeros[3000];
static __thread _Alignas(128) char aligned[4] = "abc";

static void set_tls(void)
{
    seven++;
    pointer = NULL;
    memset(zeros, 1, sizeof zeros);
    memset(aligned, 'x', 3);
}

static void look_tls(void)
{
    int dirt = 0;
    for (size_t i = 0; i < sizeof zeros; i++)
        dirt += zeros[i] != 0;
    find("seven %d, pointer %d, dirt %d, aligned %s at %d", seven, pointer == &pointed_at, dirt, aligned,
         (int)((uintptr_t)aligned % 128));
}

extern void fresh_lib_set(void);
extern int fresh_lib_look(void);

static void look_start_library(void)
{
    find("%d", fresh_lib_look());
}

static void (*late_set)(void);
static int (*late_look)(void);

static void use(void *library)
{
    if (library) {
        *(void **)&late_set = dlsym(library, "fresh_lib_set");
        *(void **)&late_look = dlsym(library, "fresh_lib_look");
    }
    if (!late_set || !late_look) {
        say("library: %s", dlerror());
        _exit(1);
    }
}

static const char *beside(const char *name)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 100);
    path[length > 0 ? length : 0] = 0;
    dirname(path);
    strcat(path, "/");
    return strcat(path, name);
}

static void open_late(void)
{
    use(dlopen(beside("libfresh_late.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_late_ie(void)
{
    use(dlopen(beside("libfresh_late_ie.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_late_gnu2(void)
{
    use(dlopen(beside("libfresh_late_gnu2.so"), RTLD_NOW | RTLD_LOCAL));
}

static void open_namespace(void)
{
    use(dlmopen(LM_ID_NEWLM, beside("libfresh_late.so"), RTLD_NOW | RTLD_LOCAL));
}

static void set_late(void)
{
    late_set();
}

static void look_late(void)
{
    find("%d", late_look());
}

/* ---- keys ---- */

static pthread_key_t plain_key, dtor_key, free_key, unseen_key;
static atomic_int destroyed;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

static void make_keys(void)
{
    pthread_key_create(&plain_key, NULL);
    pthread_key_create(&dtor_key, destroy);
    pthread_key_create(&free_key, free);
}

static void set_keys(void)
{
    pthread_setspecific(plain_key, &seven);
    pthread_setspecific(dtor_key, &seven);
    pthread_setspecific(free_key, malloc(10));
}

static void look_keys(void)
{
    find("%d %d %d, destroyed %d", pthread_getspecific(plain_key) != NULL, pthread_getspecific(dtor_key) != NULL,
         pthread_getspecific(free_key) != NULL, destroyed);
}

/* By a function that no preloaded library stands in for. */
static void make_unseen_key(void)
{
    int (*create)(pthread_key_t *, void (*)(void *));
    *(void **)&create = dlsym(dlopen("libc.so.6", RTLD_NOW), "pthread_key_create");
    destroyed = 0;
    if (!create || create(&unseen_key, destroy))
        say("no unseen key");
}

static void set_unseen_key(void)
{
    pthread_setspecific(unseen_key, &seven);
}

static void look_unseen_key(void)
{
    find("%d, destroyed %d", pthread_getspecific(unseen_key) != NULL, destroyed);
}

const struct row data_rows[] = {
    {"program's thread-local data", NULL, set_tls, look_tls, WHOLE, false},
    {"start-up library's thread-local data", NULL, fresh_lib_set, look_start_library, WHOLE, false},
    {"late library's thread-local data", open_late, set_late, look_late, WHOLE, false},
    {"late library's initial-exec data", open_late_ie, set_late, look_late, WHOLE, false},
    {"late library's gnu2 data", open_late_gnu2, set_late, look_late, WHOLE, false},
    {"keys", make_keys, set_keys, look_keys, WHOLE, false},
    {"data of a library in a namespace", open_namespace, set_late, look_late, WHOLE, true},
    {0},
};

/* For the end: this key is never deleted. */
const struct row unseen_key_rows[] = {
    {"key created out of sight", make_unseen_key, set_unseen_key, look_unseen_key, WHOLE, false},
    {0},
};
