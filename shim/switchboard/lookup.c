#include "shim/switchboard/lookup.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#include "shim/atomic.h"

/* One object's dynamic symbols (System V ABI; DT_GNU_HASH as binutils and glibc have it). */
struct symbols {
    uintptr_t base;
    const ElfW(Sym) * symbol;
    const char *strings;
    const uint32_t *hash;
    const ElfW(Half) * version; /* NULL: the object gives its symbols no versions */
    const ElfW(Verdef) * definitions;
};

static bool read_symbols(const struct link_map *map, struct symbols *out)
{
    *out = (struct symbols){.base = map->l_addr};
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const void *where = (const void *)entry->d_un.d_ptr; /* an address: the loader has relocated it */
        if (entry->d_tag == DT_SYMTAB)
            out->symbol = where;
        else if (entry->d_tag == DT_STRTAB)
            out->strings = where;
        else if (entry->d_tag == DT_GNU_HASH)
            out->hash = where;
        else if (entry->d_tag == DT_VERSYM)
            out->version = where;
        else if (entry->d_tag == DT_VERDEF)
            out->definitions = (const void *)(map->l_addr + entry->d_un.d_ptr); /* but not this one */
    }
    return out->symbol && out->strings && out->hash;
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

static const char *version_name(const struct symbols *in, unsigned index)
{
    const ElfW(Verdef) *definition = in->definitions;
    while (definition) {
        if ((definition->vd_ndx & 0x7fff) == index) {
            const ElfW(Verdaux) *name = (const void *)((const char *)definition + definition->vd_aux);
            return in->strings + name->vda_name;
        }
        definition = definition->vd_next ? (const void *)((const char *)definition + definition->vd_next) : NULL;
    }
    return NULL;
}

/* Indices 0 and 1 mean a symbol without a version; the top bit, one that is not the default of its name. */
static bool has_version(const struct symbols *in, uint32_t symbol, const char *wanted)
{
    unsigned version = in->version ? in->version[symbol] : 1;
    if ((version & 0x7fff) <= 1)
        return true;
    if (!wanted)
        return !(version & 0x8000);
    const char *name = version_name(in, version & 0x7fff);
    return name && strcmp(name, wanted) == 0;
}

static void *address_of(const struct symbols *in, const ElfW(Sym) * symbol)
{
    uintptr_t address = in->base + symbol->st_value;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
        address = ((uintptr_t(*)(void))address)();
    return (void *)address;
}

static void *find_in(const struct symbols *in, const char *name, uint32_t hash, const char *version)
{
    uint32_t buckets = in->hash[0], offset = in->hash[1], bloom_size = in->hash[2], shift = in->hash[3];
    const ElfW(Addr) *bloom = (const void *)(in->hash + 4);
    const uint32_t *bucket = (const void *)(bloom + bloom_size), *chain = bucket + buckets;
    enum { BITS = 8 * sizeof(ElfW(Addr)) };
    ElfW(Addr) word = bloom[hash / BITS % bloom_size];
    if (!(word >> (hash % BITS) & word >> ((hash >> shift) % BITS) & 1))
        return NULL;
    uint32_t index = bucket[hash % buckets];
    if (index < offset)
        return NULL;
    for (;; index++) {
        uint32_t entry = chain[index - offset];
        const ElfW(Sym) *symbol = &in->symbol[index];
        if ((entry | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
            strcmp(in->strings + symbol->st_name, name) == 0 && has_version(in, index, version))
            return address_of(in, symbol);
        if (entry & 1) /* the last of its bucket */
            return NULL;
    }
}

/* ---- the objects, in order ---- */

static const struct link_map *own_map(void)
{
    static const struct link_map *own;
    const struct link_map *map = load_relaxed(&own); /* whoever finds it finds the same */
    Dl_info info;
    if (!map && dladdr1((void *)own_map, &info, (void **)&map, RTLD_DL_LINKMAP))
        store_relaxed(&own, map);
    return map;
}

/* The symbols of the first object from `*map` on that programs bind to, with *map behind it. The kernel's own object is
 * in the list, but nobody does. */
static bool next_symbols(const struct link_map **map, const struct link_map *end, uintptr_t vdso, struct symbols *out)
{
    while (*map && *map != end) {
        const struct link_map *current = *map;
        *map = current->l_next;
        if (current->l_addr != vdso && read_symbols(current, out))
            return true;
    }
    return false;
}

static void *find_from(const struct link_map *from, const struct link_map *end, const char *name)
{
    uint32_t hash = hash_of(name);
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    struct symbols symbols;
    void *found = NULL;
    while (!found && next_symbols(&from, end, vdso, &symbols))
        found = find_in(&symbols, name, hash, NULL);
    return found;
}

static const struct link_map *first_map(void)
{
    const struct link_map *map = own_map();
    while (map && map->l_prev)
        map = map->l_prev;
    return map;
}

/* Looks for what is still missing in the objects from `from` on and before `end`. */
static void find_missing(const struct link_map *from, const struct link_map *end, unsigned count,
                         const struct lookup *wanted, void **found)
{
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    struct symbols symbols;
    unsigned missing = 0;
    for (unsigned i = 0; i < count; i++)
        missing += !load_relaxed(&found[i]);
    while (missing && next_symbols(&from, end, vdso, &symbols)) {
        for (unsigned i = 0; i < count; i++) {
            if (load_relaxed(&found[i]))
                continue;
            void *address = find_in(&symbols, wanted[i].name, hash_of(wanted[i].name), wanted[i].version);
            missing -= address != NULL;
            /* Relaxed: every thread that gets here finds the same address, and nothing hangs on it. */
            store_relaxed(&found[i], address);
        }
    }
}

void lookup_next(unsigned count, const struct lookup *wanted, void **found)
{
    const struct link_map *own = own_map();
    if (own)
        find_missing(own->l_next, NULL, count, wanted, found);
    find_missing(first_map(), own, count, wanted, found);
}

void *lookup_first(const char *name)
{
    return find_from(first_map(), NULL, name);
}

void *lookup_before(const char *name)
{
    return find_from(first_map(), own_map(), name);
}

/* ---- one reference ---- */

void *lookup_in(const struct link_map *map, const char *name)
{
    struct symbols symbols;
    return read_symbols(map, &symbols) ? find_in(&symbols, name, hash_of(name), NULL) : NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *own_name(const struct link_map *map)
{
    const char *strings = NULL;
    const ElfW(Dyn) *soname = NULL;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_SONAME)
            soname = entry;
    }
    return strings && soname ? strings + soname->d_un.d_val : "";
}

/* The kernel's own object: what it says of itself is not relocated. */
static bool is_kernels(const struct link_map *map)
{
    return map->l_addr == getauxval(AT_SYSINFO_EHDR);
}

/* Which of the loaded objects the loader took for the needed `name`. */
static const struct link_map *find_needed(const char *name)
{
    for (const struct link_map *map = first_map(); map; map = map->l_next)
        if (!is_kernels(map) &&
            (strcmp(own_name(map), name) == 0 || strcmp(base_name(map->l_name), base_name(name)) == 0))
            return map;
    return NULL;
}

/* Objects in the order in which they are to be searched. More than this are not looked at: the reference is then found
 * among all. */
enum { MOST_OBJECTS = 256 };
struct reach {
    unsigned count;
    const struct link_map *object[MOST_OBJECTS];
};

static void add_to(struct reach *reach, const struct link_map *map)
{
    for (unsigned i = 0; i < reach->count; i++)
        if (reach->object[i] == map)
            return;
    if (map && reach->count < MOST_OBJECTS)
        reach->object[reach->count++] = map;
}

static void add_needed_by(struct reach *reach, const struct link_map *map)
{
    struct symbols symbols;
    if (!read_symbols(map, &symbols))
        return;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED)
            add_to(reach, find_needed(symbols.strings + entry->d_un.d_val));
}

static const struct link_map *find_in_reach(const struct link_map *from, const char *name)
{
    struct reach reach = {.count = 0};
    add_to(&reach, from);
    for (unsigned i = 0; i < reach.count; i++) {
        if (reach.object[i] != own_map() && lookup_in(reach.object[i], name))
            return reach.object[i];
        add_needed_by(&reach, reach.object[i]);
    }
    return NULL;
}

/* ---- what the program started with ---- */

static const struct link_map *last_at_start;

void lookup_start(void)
{
    const struct link_map *map = own_map();
    while (map && map->l_next)
        map = map->l_next;
    last_at_start = map;
}

bool lookup_is_from_start(const struct link_map *wanted)
{
    for (const struct link_map *map = first_map(); map; map = map->l_next) {
        if (map == wanted)
            return true;
        if (map == last_at_start)
            break;
    }
    return false;
}

static bool provides(const struct link_map *map, const char *name)
{
    return map != own_map() && !is_kernels(map) && lookup_in(map, name);
}

const struct link_map *lookup_provider(const struct link_map *from, const char *name, const struct link_map *global,
                                       bool *is_ambiguous)
{
    const struct link_map *first = NULL, *found = NULL;
    unsigned count = 0;
    *is_ambiguous = false;
    for (const struct link_map *map = first_map(); map; map = map->l_next) {
        if (!provides(map, name))
            continue;
        if (!count++)
            first = map;
        if (map == global)
            found = map;
    }
    if (count <= 1 || lookup_is_from_start(first))
        return first;
    *is_ambiguous = true;
    if (!found && from)
        found = find_in_reach(from, name);
    return found ? found : first;
}
