#include "shim/domain/runtime.h"

#include <link.h>
#include <string.h>

#include "shim/atomic.h"

/* ---- what an object exports ---- */

/* One object's symbols (System V ABI; DT_GNU_HASH as binutils and glibc have it). The loader has relocated the
 * addresses in the dynamic section. */
struct exports {
    const ElfW(Sym) * symbol;
    const char *strings;
    const uint32_t *hash;
};

static bool read_exports(const struct object *object, struct exports *out)
{
    *out = (struct exports){0};
    for (const ElfW(Dyn) *entry = object->map->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            out->symbol = (const void *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_STRTAB)
            out->strings = (const void *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_GNU_HASH)
            out->hash = (const void *)entry->d_un.d_ptr;
    }
    return out->symbol && out->strings && out->hash && out->hash[0];
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

static const ElfW(Sym) * find_export(const struct exports *in, const char *name)
{
    uint32_t hash = hash_of(name), offset = in->hash[1], bloom_size = in->hash[2];
    const uint32_t *bucket = in->hash + 4 + bloom_size * (sizeof(ElfW(Addr)) / sizeof *in->hash),
                   *chain = bucket + in->hash[0];
    uint32_t index = bucket[hash % in->hash[0]];
    if (index < offset)
        return NULL;
    for (;; index++) {
        uint32_t entry = chain[index - offset];
        const ElfW(Sym) *symbol = &in->symbol[index];
        if ((entry | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
            strcmp(in->strings + symbol->st_name, name) == 0)
            return symbol;
        if (entry & 1) /* the last of its bucket */
            return NULL;
    }
}

void *runtime_function(const struct object *object, const char *name)
{
    struct exports exports;
    const ElfW(Sym) *symbol = read_exports(object, &exports) ? find_export(&exports, name) : NULL;
    return symbol ? (void *)(object->base + symbol->st_value) : NULL;
}

/* libomp first: it exports libgomp's names too. Tracing tools export the entry points of OpenMP in front of a runtime,
 * as we do, but not its functions: hence the second name. The last ones are OpenBLAS as wheels rename it. */
static enum runtime recognise(const struct object *object)
{
    static const struct {
        const char *name, *also;
        enum runtime runtime;
    } marks[] = {
        {"__kmpc_fork_call", "kmp_set_defaults", RUNTIME_LIBOMP},
        {"GOMP_parallel", "omp_get_num_procs", RUNTIME_LIBGOMP},
        {"openblas_get_num_threads", "openblas_set_num_threads", RUNTIME_OPENBLAS},
        {"openblas_get_num_threads64_", "openblas_set_num_threads64_", RUNTIME_OPENBLAS},
        {"scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads", RUNTIME_OPENBLAS},
        {"scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_", RUNTIME_OPENBLAS},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (runtime_function(object, marks[i].name) && runtime_function(object, marks[i].also))
            return marks[i].runtime;
    return RUNTIME_NONE;
}

/* ---- objects that have asked ---- */

/* slot   0, then for good: the object's base, which has zeroes where KNOWN, the runtime and, later, STARTED stand
 *        KNOWN by whoever finds it empty (CAS); STARTED by whoever starts it (fetch-or: one of them sees it unset)
 * Relaxed: a slot is all there is to read, and whoever recognises an object finds the same. */
enum { SLOTS = 128, KNOWN = 1, RUNTIME_SHIFT = 1, RUNTIME_MASK = 6, STARTED = 8, FLAGS = 15 };
static uintptr_t slots[SLOTS];

/* The object's slot, or the empty one where it belongs; NULL: there is none left. */
static uintptr_t *slot_of(const struct object *object)
{
    size_t first = object->base >> 12;
    for (size_t i = 0; i < SLOTS; i++) {
        uintptr_t *slot = &slots[(first + i) % SLOTS], held = load_relaxed(slot);
        if (!held || (held & ~(uintptr_t)FLAGS) == object->base)
            return slot;
    }
    return NULL;
}

static uintptr_t describe(const struct object *object)
{
    return object->base | KNOWN | (uintptr_t)recognise(object) << RUNTIME_SHIFT;
}

enum runtime runtime_of(const void *address, struct object *object)
{
    if (!object_find(address, object) || object->base & FLAGS)
        return RUNTIME_NONE;
    for (;;) {
        uintptr_t *slot = slot_of(object), held = slot ? load_relaxed(slot) : 0;
        if (!slot)
            return RUNTIME_NONE;
        if (held)
            return (held & RUNTIME_MASK) >> RUNTIME_SHIFT;
        cas_acquire(slot, 0, describe(object)); /* of two objects one gets it, and the other looks again */
    }
}

bool runtime_is_starting(const struct object *object)
{
    uintptr_t *slot = slot_of(object);
    return slot && !(__atomic_fetch_or(slot, STARTED, __ATOMIC_RELAXED) & STARTED);
}
