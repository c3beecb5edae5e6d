#include "shim/team/runtime.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/object.h"
#include "shim/process/fork.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"

enum { COPIES = 64 };
static struct runtime_copy copies[COPIES];

/* The one that the program started with, if any: it serves all callers. */
static struct runtime_copy *first_copy;

/* Otherwise: which copy stands behind a place in the program, as long as the object there, and the copy, are loaded. */
enum { PLACES = 1024, TRIES = 8 };
static struct place {
    const void *caller;
    const struct link_map *map;
    struct runtime_copy *runtime;
} places[PLACES];

static struct place *place_of(const void *caller, unsigned attempt)
{
    uint64_t hash = (uint64_t)(uintptr_t)caller * UINT64_C(0x9e3779b97f4a7c15);
    return &places[((hash >> 32) + attempt) % PLACES];
}

/* Whether the loader still has it there. Before glibc 2.35 it cannot be asked, not even for our own code, and is
 * believed to. */
static bool is_loaded(const struct runtime_copy *runtime)
{
    struct object object;
    if (object_find(runtime->entry[0], &object))
        return object.map == runtime->object && object.base == runtime->base;
    return !object_find((const void *)is_loaded, &object);
}

static bool still_holds(const struct place *place, const struct runtime_copy *runtime)
{
    struct object object;
    return is_loaded(runtime) && (!object_find(place->caller, &object) || object.map == load_relaxed(&place->map));
}

/* ---- looking for it ---- */

static void read_interface(struct runtime_copy *runtime, const struct link_map *map)
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
    OMP(get_max_active_levels)
    OMP(set_max_active_levels)
    OMP(get_default_device)
    OMP(set_default_device)
#undef OMP
    runtime->is_libomp = lookup_in(map, "kmp_set_defaults");
}

/* LLVM's waits yield. */
static void read_waits(struct runtime_copy *runtime)
{
    struct object object;
    runtime->waits = (struct waits){.kind = runtime->is_libomp ? TURN_WAITS_BLOCK : TURN_WAITS_SPIN};
    if (!runtime->is_libomp && object_find(runtime->entry[0], &object))
        waits_find(&runtime->waits, object.base, object.start);
}

static bool has_static_tls(const struct link_map *map)
{
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_FLAGS)
            return entry->d_un.d_val & DF_STATIC_TLS;
    return false;
}

/* What the loader knows of an object's thread-local data. */
static void read_tls(struct runtime_copy *runtime, const struct dl_phdr_info *object)
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
static void find_tls(struct runtime_copy *runtime)
{
    struct tls_index start = {runtime->tls_module, 0};
    void *(*get_address)(struct tls_index *) = (void *(*)(struct tls_index *))lookup_first("__tls_get_addr");
    if (!get_address)
        return;
    runtime->tls_distance = (char *)get_address(&start) - (char *)pthread_self();
    /* Relaxed: whoever forks in between has made no team yet. */
    store_relaxed(&runtime->tls_is_known, true);
}

/* One at a time. A reader that finds the caller finds what belongs to it, or what is_loaded() refuses. */
static void remember(const void *caller, const struct link_map *map, struct runtime_copy *runtime)
{
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        struct place *place = place_of(caller, attempt);
        if (place->caller && place->caller != caller)
            continue;
        store_release(&place->caller, NULL);
        store_relaxed(&place->map, map);
        store_relaxed(&place->runtime, runtime);
        store_release(&place->caller, caller); /* with the copy, and its record */
        return;
    }
}

struct search {
    const void *caller;
    const struct link_map *from, *global;
    bool is_begun, is_asked, is_ambiguous;
    struct runtime_copy *runtime; /* the answer */
};

/* The copy's record, an old or a new one; NULL: there are too many. Those that were unloaded make room. */
static struct runtime_copy *record_of(const struct link_map *map)
{
    struct runtime_copy *room = NULL;
    for (unsigned i = COPIES; i-- > 0;) {
        bool is_there = copies[i].object && is_loaded(&copies[i]);
        if (is_there && copies[i].object == map)
            return &copies[i];
        if (!is_there)
            room = &copies[i];
    }
    if (!room)
        return NULL;
    memset(room, 0, sizeof *room);
    read_interface(room, map);
    read_waits(room);
    room->base = map->l_addr;
    room->object = map;
    return room;
}

static void begin(struct search *search)
{
    const struct link_map *map = lookup_provider(search->from, "GOMP_parallel", search->global, &search->is_ambiguous);
    search->is_begun = true;
    if (!map || (search->is_ambiguous && !search->is_asked))
        return;
    search->runtime = record_of(map);
    if (!search->runtime)
        return;
    remember(search->caller, search->from, search->runtime);
    if (lookup_is_from_start(map))
        store_release(&first_copy, search->runtime);
}

/* The first object is only the occasion to look for the right one, whose thread-local data come when it is its turn. */
static int visit(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    if (!search->is_begun)
        begin(search);
    if (object && search->runtime && object->dlpi_addr == search->runtime->base &&
        has_static_tls(search->runtime->object))
        read_tls(search->runtime, object);
    return 0;
}

/* What the loader says where there are several. Not under its lock for walks: dlsym takes another one, which goes
 * first. This makes the program lose the text of a dlerror that it has not asked for yet. */
static const struct link_map *ask_loader(void)
{
    void *(*dlsym_)(void *, const char *) = (void *(*)(void *, const char *))lookup_behind("dlsym", NULL);
    struct object object;
    const void *address = dlsym_ ? dlsym_(RTLD_NEXT, "GOMP_parallel") : NULL;
    return address && object_find(address, &object) ? object.map : NULL;
}

static __attribute__((noinline)) struct runtime_copy *find(const void *caller)
{
    struct object object;
    struct search search = {.caller = caller};
    int saved = errno;
    if (settings.mode == MODE_MANAGED) {
        object_prepare(); /* a team will have threads, */
        fork_watch();     /* and a child must do without them */
    }
    search.from = object_find(caller, &object) ? object.map : NULL;
    object_walk(visit, &search, true);
    if (search.is_ambiguous) {
        search.global = ask_loader();
        search.is_asked = true;
        search.is_begun = false;
        object_walk(visit, &search, true);
    }
    if (search.runtime && search.runtime->tls_size && !load_relaxed(&search.runtime->tls_is_known))
        find_tls(search.runtime);
    errno = saved;
    return search.runtime;
}

struct runtime_copy *runtime_behind(const void *caller)
{
    struct runtime_copy *first = load_acquire(&first_copy); /* with its record */
    if (first)
        return first;
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        const struct place *place = place_of(caller, attempt);
        const void *known = load_acquire(&place->caller);
        struct runtime_copy *runtime = load_relaxed(&place->runtime);
        if (known == caller && still_holds(place, runtime))
            return runtime;
        if (known == caller || !known)
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

void *runtime_entry(enum symbol symbol, const void *caller, bool *is_for_good)
{
    const struct runtime_copy *runtime = runtime_behind(caller);
    *is_for_good = runtime && runtime == load_relaxed(&first_copy);
    return runtime_function(runtime, symbol);
}

void *runtime_function(const struct runtime_copy *runtime, enum symbol symbol)
{
    void *entry = runtime ? runtime->entry[symbol - LIBC_SYMBOLS] : NULL;
    if (entry)
        return entry;
    return is_of_old_interface(symbol) ? (void *)run_nothing : (void *)run_alone;
}

/* ---- fork ---- */

/* What the calling thread itself has set in a runtime. */
struct choices {
    int threads, dynamic, kind, chunk, levels, device;
};

static struct choices read_choices(const struct omp *omp)
{
    struct choices choices = {
        .threads = omp->get_max_threads(),
        .dynamic = omp->get_dynamic(),
        .levels = omp->get_max_active_levels(),
        .device = omp->get_default_device(),
    };
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
    if (now.levels != before->levels)
        omp->set_max_active_levels(before->levels);
    if (now.device != before->device)
        omp->set_default_device(before->device);
}

static bool can_be_reset(const struct runtime_copy *runtime)
{
    const struct omp *omp = &runtime->omp;
    return runtime->object && load_relaxed(&runtime->tls_is_known) && omp->get_level && omp->get_max_threads &&
           omp->set_num_threads && omp->get_dynamic && omp->set_dynamic && omp->get_schedule && omp->set_schedule;
}

void runtime_postfork_child(void)
{
    for (unsigned i = 0; i < COPIES; i++) {
        const struct runtime_copy *runtime = &copies[i];
        if (!runtime->object || !is_loaded(runtime) || !can_be_reset(runtime) || runtime->omp.get_level() > 0)
            continue; /* forked inside a region, whose end needs all that */
        struct choices choices = read_choices(&runtime->omp);
        char *data = (char *)pthread_self() + runtime->tls_distance;
        memcpy(data, runtime->tls_image, runtime->tls_filled);
        memset(data + runtime->tls_filled, 0, runtime->tls_size - runtime->tls_filled);
        restore_choices(&runtime->omp, &choices);
    }
}
