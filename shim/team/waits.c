#include "shim/team/waits.h"

#include <link.h>
#include <string.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/text.h"

enum { LONG_SPINS = 300000, SHORT_SPINS = WAITS_SHORT, LEAVES_SOON = 10000 };

/* A runtime's data are some kilobytes; to read those of a large library that has a runtime inside would take its time,
 * and memory. */
enum { MOST_DATA = 256 * 1024 };

/* ---- what the user has said ---- */

/* A number of rounds as libgomp reads it, without its suffixes: they are for larger ones. */
static bool is_soon(const char *count)
{
    unsigned value = 0;
    for (; *count >= '0' && *count <= '9' && value <= LEAVES_SOON; count++)
        value = value * 10 + (unsigned)(*count - '0');
    return !*count && value <= LEAVES_SOON;
}

/* OMP_WAIT_POLICY=passive, in any case and with blanks around it, as OpenMP has it. */
static bool is_passive(const char *value)
{
    static const char passive[] = "passive";
    while (*value == ' ' || *value == '\t')
        value++;
    for (const char *at = passive; *at; at++, value++)
        if ((*value | 0x20) != *at)
            return false;
    while (*value == ' ' || *value == '\t')
        value++;
    return !*value;
}

/* Whether anything was said; and what that comes to. The runtime reads its environment when it is loaded. */
static bool user_has_said(enum turn_waits *kind)
{
    bool has_policy = false, has_count = false;
    for (char **entry = environ; entry && *entry; entry++) {
        const char *policy = text_rest(*entry, "OMP_WAIT_POLICY="), *count = text_rest(*entry, "GOMP_SPINCOUNT=");
        if (policy && !has_count)
            *kind = is_passive(policy) ? TURN_WAITS_BLOCK : TURN_WAITS_SPIN;
        if (count)
            *kind = is_soon(count) ? TURN_WAITS_BLOCK : TURN_WAITS_SPIN;
        has_policy |= policy != NULL;
        has_count |= count != NULL;
    }
    return has_policy || has_count;
}

/* ---- the counters ---- */

struct range {
    uintptr_t from, to;
};

/* The counters in either order: compilers lay them out as they like. */
static void search(struct range range, uint64_t **found, unsigned *matches)
{
    uint64_t *word = (uint64_t *)((range.from + 7) & ~(uintptr_t)7);
    for (; (uintptr_t)(word + 2) <= range.to; word++) {
        bool is_first = word[0] == LONG_SPINS && word[1] == SHORT_SPINS;
        if (!is_first && !(word[0] == SHORT_SPINS && word[1] == LONG_SPINS))
            continue;
        *found = is_first ? word : word + 1;
        ++*matches;
    }
}

/* What the loader makes read-only after relocation is no place for counters, and not to be written. */
static struct range relro_of(uintptr_t base, const ElfW(Phdr) * headers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (headers[i].p_type == PT_GNU_RELRO)
            return (struct range){base + headers[i].p_vaddr, base + headers[i].p_vaddr + headers[i].p_memsz};
    return (struct range){0, 0};
}

static uint64_t *find_counter(uintptr_t base, const ElfW(Ehdr) * file)
{
    /* The loader has mapped the first page at least; program headers elsewhere need not be mapped at all. */
    if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 || file->e_phentsize != sizeof(ElfW(Phdr)) ||
        file->e_phoff > OS_PAGE || file->e_phoff + file->e_phnum * sizeof(ElfW(Phdr)) > OS_PAGE)
        return NULL;
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)((const char *)file + file->e_phoff);
    struct range relro = relro_of(base, headers, file->e_phnum);
    uint64_t *found = NULL;
    unsigned matches = 0;
    for (unsigned i = 0; i < file->e_phnum; i++) {
        if (headers[i].p_type != PT_LOAD || !(headers[i].p_flags & PF_W))
            continue;
        struct range data = {base + headers[i].p_vaddr, base + headers[i].p_vaddr + headers[i].p_memsz};
        if (headers[i].p_memsz > MOST_DATA)
            return NULL;
        if (relro.from >= data.from && relro.to <= data.to) {
            search((struct range){data.from, relro.from}, &found, &matches);
            data.from = relro.to;
        }
        search(data, &found, &matches);
    }
    return matches == 1 ? found : NULL;
}

void waits_find(struct waits *waits, uintptr_t base, const void *file)
{
    *waits = (struct waits){.kind = TURN_WAITS_SPIN};
    if (user_has_said(&waits->kind))
        return;
    waits->spins = find_counter(base, file);
    if (waits->spins)
        waits->kind = TURN_WAITS_TOLD;
}

void waits_tell(struct waits *waits, bool are_short)
{
    uint64_t now = load_relaxed(waits->spins);
    /* Relaxed: a thread that misses it waits once more as before. Anything else there is no counter any more: another
     * copy is loaded at its place. */
    if (now == LONG_SPINS || now == SHORT_SPINS)
        store_relaxed(waits->spins, are_short ? SHORT_SPINS : LONG_SPINS);
}
