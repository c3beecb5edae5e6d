#include "shim/team/runtime.h"

#include <errno.h>
#include <link.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/object.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"

enum { COPIES = 16 };
static struct runtime copies[COPIES];

/* Which copy stands behind a place in the program. Filled once each: code that is unloaded and replaced by other code
 * that calls another copy from the very same address is not told apart. */
enum { PLACES = 1024, TRIES = 8 };
static struct place {
    const void *caller;
    const struct runtime *runtime;
} places[PLACES];

static struct place *place_of(const void *caller, unsigned attempt)
{
    uint64_t hash = (uint64_t)(uintptr_t)caller * UINT64_C(0x9e3779b97f4a7c15);
    return &places[((hash >> 32) + attempt) % PLACES];
}

/* ---- looking for it ---- */

static void read_interface(struct runtime *runtime, const struct link_map *map)
{
    static const char *const names[RUNTIME_SYMBOLS] = {
#define NAME_LIBC(name)
#define NAME_LIBGOMP(name) #name,
#define SHIM(provider, family, name, versions, ret, params, args, route) NAME_##provider(name)
#include "shim/switchboard/symbols.def"
#undef NAME_LIBC
#undef NAME_LIBGOMP
    };
    for (unsigned i = 0; i < RUNTIME_SYMBOLS; i++)
        runtime->entry[i] = lookup_in(map, names[i]);
#define OMP(name) runtime->omp.name = (__typeof__(runtime->omp.name))lookup_in(map, "omp_" #name);
    OMP(get_level)
    OMP(get_active_level)
    OMP(get_max_threads)
    OMP(set_num_threads)
    OMP(get_dynamic)
    OMP(set_dynamic)
    OMP(get_schedule)
    OMP(set_schedule)
#undef OMP
    runtime->is_libomp = lookup_in(map, "kmp_set_defaults");
}

static bool has_static_tls(const struct link_map *map)
{
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_FLAGS)
            return entry->d_un.d_val & DF_STATIC_TLS;
    return false;
}

/* What the loader knows of an object's thread-local data. */
static void read_tls(struct runtime *runtime, const struct dl_phdr_info *object)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_TLS)
            continue;
        runtime->tls_module = object->dlpi_tls_modid;
        runtime->tls_image = (const void *)(object->dlpi_addr + header->p_vaddr);
        runtime->tls_filled = header->p_filesz;
        runtime->tls_size = header->p_memsz;
    }
}

/* What compilers emit to find thread-local data (System V ABI, ELF Handling For Thread-Local Storage). */
struct tls_index {
    size_t module, offset;
};

/* A walk does not tell the address where the object came late: the loader itself finds it out at the first access. */
static void find_tls(struct runtime *runtime)
{
    struct tls_index start = {runtime->tls_module, 0};
    void *(*get_address)(struct tls_index *) = (void *(*)(struct tls_index *))lookup_first("__tls_get_addr");
    if (!get_address)
        return;
    runtime->tls_distance = (char *)get_address(&start) - (char *)pthread_self();
    /* Relaxed: whoever forks in between has made no team yet. */
    store_relaxed(&runtime->tls_is_known, true);
}

static void remember(const void *caller, const struct runtime *runtime)
{
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        struct place *place = place_of(caller, attempt);
        if (place->caller)
            continue;
        place->runtime = runtime;
        store_release(&place->caller, caller); /* with the copy, and its record */
        return;
    }
}

struct search {
    const void *caller;
    struct runtime *runtime; /* the answer */
    const struct link_map *map;
    bool is_begun;
};

static void begin(struct search *search)
{
    struct object object;
    search->is_begun = true;
    search->map = lookup_provider(object_find(search->caller, &object) ? object.map : NULL, "GOMP_parallel");
    for (unsigned i = 0; search->map && i < COPIES && !search->runtime; i++)
        if (!copies[i].object || copies[i].object == search->map)
            search->runtime = &copies[i];
    if (!search->runtime)
        return;
    if (!search->runtime->object) {
        read_interface(search->runtime, search->map);
        search->runtime->object = search->map;
    }
    remember(search->caller, search->runtime);
}

/* The first object is only the occasion to look for the right one, whose thread-local data come when it is its turn. */
static int visit(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    if (!search->is_begun)
        begin(search);
    if (object && search->runtime && object->dlpi_addr == search->map->l_addr && has_static_tls(search->map))
        read_tls(search->runtime, object);
    return 0;
}

static __attribute__((noinline)) const struct runtime *find(const void *caller)
{
    struct search search = {.caller = caller};
    int saved = errno;
    if (settings.mode != MODE_MANAGED)
        object_start(); /* nothing else needs it there */
    object_walk(visit, &search);
    if (search.runtime && search.runtime->tls_size && !load_relaxed(&search.runtime->tls_is_known))
        find_tls(search.runtime);
    errno = saved;
    return search.runtime;
}

const struct runtime *runtime_behind(const void *caller)
{
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        const struct place *place = place_of(caller, attempt);
        const void *known = load_acquire(&place->caller);
        if (known == caller)
            return place->runtime;
        if (!known)
            break;
    }
    return find(caller);
}

/* ---- no runtime ---- */

static unsigned run_alone(void (*run)(void *), void *data)
{
    run(data);
    return 1; /* GOMP_parallel_reductions returns the size of the team */
}

/* Of the old interface the program itself runs the region, between the two calls. */
static void run_nothing(void)
{
}

static bool is_of_old_interface(enum symbol symbol)
{
    return symbol >= SYMBOL_GOMP_parallel_start && symbol <= SYMBOL_GOMP_parallel_end;
}

void *runtime_entry(enum symbol symbol, const void *caller)
{
    return runtime_function(runtime_behind(caller), symbol);
}

void *runtime_function(const struct runtime *runtime, enum symbol symbol)
{
    void *entry = runtime ? runtime->entry[symbol - LIBC_SYMBOLS] : NULL;
    if (entry)
        return entry;
    return is_of_old_interface(symbol) ? (void *)run_nothing : (void *)run_alone;
}

/* ---- fork ---- */

/* What the calling thread itself has set in a runtime. */
struct choices {
    int threads, dynamic, kind, chunk;
};

static struct choices read_choices(const struct omp *omp)
{
    struct choices choices = {omp->get_max_threads(), omp->get_dynamic(), 0, 0};
    omp->get_schedule(&choices.kind, &choices.chunk);
    return choices;
}

static void restore_choices(const struct omp *omp, const struct choices *before)
{
    struct choices now = read_choices(omp);
    if (now.threads != before->threads)
        omp->set_num_threads(before->threads);
    if (now.dynamic != before->dynamic)
        omp->set_dynamic(before->dynamic);
    if (now.kind != before->kind || now.chunk != before->chunk)
        omp->set_schedule(before->kind, before->chunk);
}

static bool can_be_reset(const struct runtime *runtime)
{
    const struct omp *omp = &runtime->omp;
    return runtime->object && load_relaxed(&runtime->tls_is_known) && omp->get_level && omp->get_max_threads &&
           omp->set_num_threads && omp->get_dynamic && omp->set_dynamic && omp->get_schedule && omp->set_schedule;
}

void runtime_postfork_child(void)
{
    for (unsigned i = 0; i < COPIES; i++) {
        const struct runtime *runtime = &copies[i];
        if (!can_be_reset(runtime) || runtime->omp.get_level() > 0)
            continue; /* forked inside a region, whose end needs all that */
        struct choices choices = read_choices(&runtime->omp);
        char *data = (char *)pthread_self() + runtime->tls_distance;
        memcpy(data, runtime->tls_image, runtime->tls_filled);
        memset(data + runtime->tls_filled, 0, runtime->tls_size - runtime->tls_filled);
        restore_choices(&runtime->omp, &choices);
    }
}
