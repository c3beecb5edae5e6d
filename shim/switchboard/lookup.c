#include "shim/switchboard/lookup.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/text.h"

/* Nothing that runs to bind a function of libc may call one (a test looks at what this file needs). */

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
    return name && text_is_same(name, wanted);
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
            text_is_same(in->strings + symbol->st_name, name) && has_version(in, index, version))
            return address_of(in, symbol);
        if (entry & 1) /* the last of its bucket */
            return NULL;
    }
}

/* ---- the objects, in order ---- */

extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden"))); /* ours: the linker makes it */

/* The loader's list of objects, by what it tells debuggers in the program's DT_DEBUG; NULL: it tells nothing. */
static const struct link_map *list_for_debuggers(void)
{
    const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
    uintptr_t where = 0, moved_by = 0;
    bool is_placed = false;
    for (unsigned long left = getauxval(AT_PHNUM); header && left; left--, header++) {
        if (header->p_type == PT_PHDR) {
            is_placed = true;
            moved_by = (uintptr_t)header - header->p_vaddr; /* it is the first of them */
        } else if (header->p_type == PT_DYNAMIC) {
            where = header->p_vaddr;
        }
    }
    if (!is_placed || !where)
        return NULL;
    for (const ElfW(Dyn) *entry = (const void *)(where + moved_by); entry->d_tag != DT_NULL; entry++) {
        const struct r_debug *debug = (const void *)entry->d_un.d_ptr;
        if (entry->d_tag == DT_DEBUG)
            return debug ? debug->r_map : NULL;
    }
    return NULL;
}

static const struct link_map *find_own(void)
{
    const struct link_map *map = list_for_debuggers();
    Dl_info info;
    while (map && map->l_ld != _DYNAMIC)
        map = map->l_next;
    if (!map && !dladdr1(_DYNAMIC, &info, (void **)&map, RTLD_DL_LINKMAP))
        return NULL;
    return map;
}

static const struct link_map *own_map(void)
{
    HOT static const struct link_map *own;
    const struct link_map *map = load_relaxed(&own); /* whoever finds it finds the same */
    if (!map) {
        map = find_own();
        store_relaxed(&own, map);
    }
    return map;
}

/* The kernel's own object: it is in the list, but nobody binds to it, and what it says of itself is not relocated. */
static bool is_kernels(const struct link_map *map)
{
    HOT static uintptr_t kernels; /* whoever asks is told the same */
    uintptr_t address = load_relaxed(&kernels);
    if (!address) {
        address = getauxval(AT_SYSINFO_EHDR) | 1; /* there may be none */
        store_relaxed(&kernels, address);
    }
    return (map->l_addr | 1) == address;
}

/* libc, and its symbols: most of what is looked up is there. */
HOT static const struct link_map *libc_at_start;
HOT static struct symbols libc_symbols;

static bool symbols_of(const struct link_map *map, struct symbols *out)
{
    if (map != load_acquire(&libc_at_start)) /* with its symbols */
        return read_symbols(map, out);
    *out = libc_symbols;
    return true;
}

/* The symbols of the first object from `*map` on that programs bind to, with *map behind it. */
static bool next_symbols(const struct link_map **map, const struct link_map *end, struct symbols *out)
{
    while (*map && *map != end) {
        const struct link_map *current = *map;
        *map = current->l_next;
        if (!is_kernels(current) && symbols_of(current, out))
            return true;
    }
    return false;
}

static void *find_from(const struct link_map *from, const struct link_map *end, const char *name, const char *version)
{
    uint32_t hash = hash_of(name);
    struct symbols symbols;
    void *found = NULL;
    while (!found && next_symbols(&from, end, &symbols))
        found = find_in(&symbols, name, hash, version);
    return found;
}

static const struct link_map *first_map(void)
{
    const struct link_map *map = own_map();
    while (map && map->l_prev)
        map = map->l_prev;
    return map;
}

/* In the objects behind ours and before `end`, else in those before ours. */
static void *find_next(const struct link_map *end, const char *name, const char *version)
{
    const struct link_map *own = own_map();
    void *found = own ? find_from(own->l_next, end, name, version) : NULL;
    return found ? found : find_from(first_map(), own, name, version);
}

const char *lookup_own_path(void)
{
    const struct link_map *map = own_map();
    return map ? map->l_name : NULL;
}

void *lookup_next(const char *name)
{
    return find_next(NULL, name, NULL);
}

void *lookup_first(const char *name)
{
    return find_from(first_map(), NULL, name, NULL);
}

void *lookup_before(const char *name)
{
    return find_from(first_map(), own_map(), name, NULL);
}

/* ---- one reference ---- */

void *lookup_in(const struct link_map *map, const char *name)
{
    struct symbols symbols;
    return read_symbols(map, &symbols) ? find_in(&symbols, name, hash_of(name), NULL) : NULL;
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

/* Which of the loaded objects the loader took for the needed `name`. */
static const struct link_map *find_needed(const char *name)
{
    for (const struct link_map *map = first_map(); map; map = map->l_next)
        if (!is_kernels(map) &&
            (text_is_same(own_name(map), name) || text_is_same(text_base(map->l_name), text_base(name))))
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
    struct reach reach;
    reach.count = 0;
    add_to(&reach, from);
    for (unsigned i = 0; i < reach.count; i++) {
        if (reach.object[i] != own_map() && lookup_in(reach.object[i], name))
            return reach.object[i];
        add_needed_by(&reach, reach.object[i]);
    }
    return NULL;
}

/* ---- what the program started with ---- */

HOT static const struct link_map *last_at_start;

static const struct link_map *find_libc(const struct link_map *from)
{
    static const char name[] = "gnu_get_libc_version";
    for (uint32_t hash = hash_of(name); from; from = from->l_next)
        if (!is_kernels(from) && read_symbols(from, &libc_symbols) && find_in(&libc_symbols, name, hash, NULL))
            return from;
    return NULL;
}

bool lookup_start(void)
{
    const struct link_map *map = own_map(), *behind = map ? find_libc(map->l_next) : NULL;
    store_release(&libc_at_start, behind ? behind : find_libc(first_map()));
    while (map && map->l_next)
        map = map->l_next;
    last_at_start = map;
    return behind;
}

void *lookup_behind(const char *name, const char *version)
{
    const struct link_map *libc = load_relaxed(&libc_at_start);
    /* What came after libc may go away again; before start-up, nothing has yet. */
    return find_next(libc ? libc->l_next : NULL, name, version);
}

void *lookup_in_libc(const char *name)
{
    const struct link_map *libc = load_relaxed(&libc_at_start);
    return libc ? lookup_in(libc, name) : NULL;
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

void *lookup_at_start(const char *name)
{
    const struct link_map *map = first_map();
    while (map && !provides(map, name))
        map = map == last_at_start ? NULL : map->l_next;
    return map ? lookup_in(map, name) : NULL;
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
