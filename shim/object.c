#include "shim/object.h"

#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

#include "shim/hot.h"
#include "shim/libc.h"
#include "shim/lock.h"
#include "shim/os.h"
#include "shim/startup.h"
#include "shim/switchboard/lookup.h"

typedef int find_function(void *address, struct dl_find_object *result);

static int find_nothing(void *address, struct dl_find_object *result)
{
    (void)address;
    (void)result;
    return -1;
}

/* Few processes ask. Relaxed: whoever looks it up finds the same. */
static find_function *find_object(void)
{
    HOT static find_function *known;
    find_function *find = load_relaxed(&known);
    if (!find) {
        find = (find_function *)lookup_at_start("_dl_find_object");
        store_relaxed(&known, find ? find : find_nothing);
    }
    return find ? find : find_nothing;
}

void object_settle(void)
{
    find_object();
}

bool object_find(const void *address, struct object *object)
{
    struct dl_find_object found;
    if (find_object()((void *)address, &found) != 0)
        return false;
    object->map = found.dlfo_link_map;
    object->name = found.dlfo_link_map->l_name;
    object->base = found.dlfo_link_map->l_addr;
    object->start = found.dlfo_map_start;
    return true;
}

/* ---- notes ---- */

static bool is_in_notes(const char *notes, size_t size, const char *owner)
{
    const size_t length = strlen(owner) + 1;
    while (size > sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)notes;
        size_t whole = sizeof *note + ((note->n_namesz + 3UL) & ~3UL) + ((note->n_descsz + 3UL) & ~3UL);
        if (whole > size)
            return false;
        if (note->n_namesz >= length && memcmp(notes + sizeof *note, owner, length) == 0)
            return true;
        notes += whole;
        size -= whole;
    }
    return false;
}

/* Notes can lie outside of what is loaded. */
static bool is_loaded(const ElfW(Phdr) * headers, size_t count, const ElfW(Phdr) * part)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && part->p_vaddr >= headers[i].p_vaddr &&
            part->p_vaddr + part->p_filesz <= headers[i].p_vaddr + headers[i].p_filesz)
            return true;
    return false;
}

static bool have_note(const ElfW(Phdr) * headers, size_t count, uintptr_t base, const char *owner)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE && is_loaded(headers, count, &headers[i]) &&
            is_in_notes((const char *)(base + headers[i].p_vaddr), headers[i].p_filesz, owner))
            return true;
    return false;
}

bool object_has_note(const struct object *object, const char *owner)
{
    const ElfW(Ehdr) *file = object->start;
    /* Linkers put both at the beginning. */
    if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 || file->e_phoff + file->e_phnum * sizeof(ElfW(Phdr)) > OS_PAGE)
        return false;
    return have_note((const void *)((const char *)file + file->e_phoff), file->e_phnum, object->base, owner);
}

bool object_program_has_note(const char *owner)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    size_t count = headers ? getauxval(AT_PHNUM) : 0;
    uintptr_t base = 0;
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR)
            base = (uintptr_t)headers - headers[i].p_vaddr;
    return have_note(headers, count, base, owner);
}

/* ---- all of them ---- */

/* dl_iterate_phdr holds a lock that fork does not make free in the child (it does so for the loader's others). So no
 * fork may happen while we are inside: every walk holds `walking`, and fork waits for it. In wiped memory: free in a
 * child. */
static union {
    struct {
        lock_word walking;
        bool is_prepared;
        /* The thread that holds `walking` because it forks; 0: none. Only that thread compares equal. And how many
         * forks of its, one in a handler of the other; which it alone reads. */
        pthread_t forking;
        unsigned forks;
    };
    char page[OS_PAGE];
} wiped __attribute__((aligned(OS_PAGE)));

/* Here, or in a process that this one was forked from, a second thread was made. */
HOT static bool had_threads;

/* The word of the loader's lock, in the loader's data; NULL: not known. It is never 0 where a thread that is gone holds
 * it. */
static const int *loaders_lock;

enum { PATIENCE_NS = 100 * 1000 * 1000 };

void object_prefork(void)
{
    if (load_relaxed(&wiped.forking) == pthread_self()) {
        wiped.forks++;
        return;
    }
    /* Bounded: a program that forks inside its own dl_iterate_phdr callback holds the loader's lock, and a worker may
     * wait for that, holding ours. The child is then the one that has the loader's lock, and all is well. */
    if (!lock_within(&wiped.walking, PATIENCE_NS))
        return;
    wiped.forks = 1;
    store_relaxed(&wiped.forking, pthread_self());
}

void object_postfork(void)
{
    /* In a child that was wiped nobody forks, and the lock is free. */
    if (load_relaxed(&wiped.forking) != pthread_self() || --wiped.forks)
        return;
    store_relaxed(&wiped.forking, 0);
    unlock(&wiped.walking);
}

static bool is_lock_free(void)
{
    const int *word = load_relaxed(&loaders_lock); /* set once, to what is always there */
    return word && load_relaxed(word) == 0;        /* to take it is for others, and orders what they see */
}

bool object_can_walk(void)
{
    /* Relaxed: both are set before the thread exists that could see it otherwise. */
    return !load_relaxed(&had_threads) || load_relaxed(&wiped.is_prepared) || is_lock_free();
}

/* While dl_iterate_phdr calls us, its lock is the one recursive mutex in the loader's data that the calling thread
 * holds. */
struct search {
    int tid;
    const pthread_mutex_t *found;
    unsigned matches;
};

static bool is_held_once(const pthread_mutex_t *mutex, int tid)
{
    return mutex->__data.__owner == tid && mutex->__data.__lock && mutex->__data.__count == 1 &&
           mutex->__data.__nusers == 1 && mutex->__data.__kind == PTHREAD_MUTEX_RECURSIVE;
}

static int search_loader(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct search *search = arg;
    (void)size;
    if (!object->dlpi_addr || object->dlpi_addr != getauxval(AT_BASE))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_W))
            continue;
        uintptr_t at = (object->dlpi_addr + part->p_vaddr + 7) & ~(uintptr_t)7;
        uintptr_t end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
        for (; at + sizeof(pthread_mutex_t) <= end; at += 8)
            if (is_held_once((const void *)at, search->tid)) {
                search->found = (const void *)at;
                search->matches++;
            }
    }
    return 1;
}

/* Under `walking`. */
static void find_lock(void)
{
    static bool has_tried;
    if (has_tried)
        return;
    has_tried = true;
    struct search search = {.tid = os_tid()};
    libc.dl_iterate_phdr(search_loader, &search);
    if (search.matches == 1 && !is_held_once(search.found, search.tid))
        store_relaxed(&loaders_lock, &search.found->__data.__lock);
}

void object_prepare(void)
{
    if (load_relaxed(&wiped.is_prepared) || !object_can_walk())
        return;
    /* Not at start-up: most programs make no thread, and before that every child finds the lock free anyway. */
    bool is_wiped = os_wipe_in_children(&wiped, sizeof wiped) == 0;
    store_relaxed(&wiped.is_prepared, is_wiped);
    store_relaxed(&had_threads, true);
}

/* The handlers of a fork may take their time, and make threads that end meanwhile. */
static bool lock_to_walk(bool is_awaited)
{
    if (lock_try(&wiped.walking))
        return true;
    return (is_awaited || !load_relaxed(&wiped.forking)) && lock_within(&wiped.walking, PATIENCE_NS);
}

bool object_walk(int (*visit)(struct dl_phdr_info *, size_t, void *), void *arg, bool is_awaited)
{
    /* At the start of managed mode nobody else is here, and the page is not touched. */
    bool is_alone = settings.mode == MODE_MANAGED && !load_relaxed(&had_threads);
    bool is_locked = !is_alone && lock_to_walk(is_awaited);
    if (!is_alone && !is_locked && !is_awaited)
        return false;
    if (settings.mode == MODE_MANAGED && object_can_walk()) {
        libc.dl_iterate_phdr(visit, arg);
        if (!is_awaited && is_locked && load_relaxed(&had_threads))
            find_lock(); /* nobody waits for us, and there may be children */
    } else {
        visit(NULL, 0, arg);
    }
    if (is_locked)
        unlock(&wiped.walking);
    return true;
}
