#include "shim/thread/fresh.h"
#include "shim/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>

#undef p_type /* resolv.h: a function of its own; we mean the field of a program header */

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/object.h"
#include "shim/os.h"
#include "shim/process/fork.h"
#include "shim/report/report.h"
#include "shim/switchboard/lookup.h"
#include "shim/switchboard/switchboard.h"

/* ---- thread-local storage ---- */

/* Objects whose thread-local data outlives the task: libc's (caches of malloc and the like; what a program can see of
 * the rest is made fresh below), the loader's, ours, and the allocator's, whose caches are what makes it fast. By the
 * address that they are loaded at: names can be anything. */
enum { LIBC, LOADER, OURS, ALLOCATOR, KEPT };
static uintptr_t kept[KEPT];

static uintptr_t base_of(const void *address)
{
    struct object object;
    Dl_info info;
    if (!address)
        return 0;
    if (object_find(address, &object))
        return *object.name ? object.base : 0; /* the program itself is none of them, even where it has a malloc */
    return dladdr(address, &info) ? (uintptr_t)info.dli_fbase : 0; /* before glibc 2.35 */
}

/* Relaxed: every thread that comes here writes the same, and what is read of it is_prepared has published. */
static void keep(int which, uintptr_t base)
{
    store_relaxed(&kept[which], base);
}

static bool is_kept(uintptr_t base)
{
    for (int i = 0; i < KEPT; i++)
        if (kept[i] && kept[i] == base)
            return true;
    return false;
}

/* How many objects were ever loaded, and unloaded. */
struct loads {
    unsigned long long adds, subs;
};

/* Of the last walk: perhaps not up to date. A library counts before it has its thread-local data, but no thread is laid
 * out in between: since glibc 2.34 both happen under dl_load_tls_lock. Relaxed: a pair that never was makes a worker
 * retire that need not have. */
HOT static struct loads last;

static struct loads last_known(void)
{
    return (struct loads){load_relaxed(&last.adds), load_relaxed(&last.subs)};
}

struct walk {
    struct loads expected, found;
    unsigned seen;
    bool changed; /* since the thread was born: what is found here cannot be trusted */
};

/* What glibc does for a new thread (_dl_allocate_tls_init): the image, then zeros. */
static void reset_image(const struct dl_phdr_info *object)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_TLS)
            continue;
        memcpy(object->dlpi_tls_data, (const void *)(object->dlpi_addr + header->p_vaddr), header->p_filesz);
        memset((char *)object->dlpi_tls_data + header->p_filesz, 0, header->p_memsz - header->p_filesz);
    }
}

static int visit(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct walk *walk = arg;
    (void)size;
    if (walk->seen++ == 0) {
        walk->found = (struct loads){object->dlpi_adds, object->dlpi_subs};
        walk->changed = memcmp(&walk->found, &walk->expected, sizeof walk->found) != 0;
        if (walk->changed)
            return 1;
    }
    if (object->dlpi_tls_modid && object->dlpi_tls_data && !is_kept(object->dlpi_addr))
        reset_image(object);
    return 0;
}

static struct walk walk_objects(struct loads expected)
{
    struct walk walk = {.expected = expected};
    if (object_walk(visit, &walk, false)) {
        store_relaxed(&last.adds, walk.found.adds);
        store_relaxed(&last.subs, walk.found.subs);
    }
    return walk;
}

static void say_hidden(void)
{
    static bool is_said;
    /* Relaxed: it orders nothing but itself. */
    if (!__atomic_exchange_n(&is_said, true, __ATOMIC_RELAXED))
        report_info("threads are not reused: ",
                    "a library in a name space of its own (dlmopen, LD_AUDIT) cannot be reset");
}

/* A thread for which a library was opened or closed since it was born is not reset. Its data in a new library may lie
 * in the part of the static TLS block that was left over, where the loader does not know their address; and while a
 * library is being opened, the loader can take what the thread had in a closed one of the same number for the new
 * one's. Nor are libraries in another name space (dlmopen), which are not walked.
 *
 * So what has no address here is what the thread never touched. */
static bool reset_tls(const struct traces *traces)
{
    if (!object_can_walk())
        return false;
    struct walk walk = walk_objects((struct loads){traces->adds, traces->subs});
    if (!walk.seen || walk.changed)
        return false;
    bool has_seen_all = walk.seen >= walk.found.adds - walk.found.subs;
    if (!has_seen_all)
        say_hidden();
    return has_seen_all;
}

/* ---- keys ---- */

/* What the program's pthread_key_create calls told. Relaxed: a program orders its own use of a key after its creation.
 */
static struct key {
    void (*destructor)(void *);
    bool known;
} keys[PTHREAD_KEYS_MAX];
static unsigned keys_end; /* one more than the highest index ever seen */

/* Keys made by code that our rows do not see (bound inside an object) are found among those that we know and the next
 * few: libc gives out the lowest free index. */
enum { UNSEEN = 16 };
static pthread_key_t own_key = PTHREAD_KEYS_MAX;

void fresh_own_key(pthread_key_t key)
{
    own_key = key;
}

void fresh_key_created(pthread_key_t key, void (*destructor)(void *))
{
    if (key >= PTHREAD_KEYS_MAX)
        return;
    store_relaxed(&keys[key].destructor, destructor);
    store_relaxed(&keys[key].known, true);
    unsigned end = load_relaxed(&keys_end);
    while (end <= key &&
           !__atomic_compare_exchange_n(&keys_end, &end, key + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void fresh_key_deleted(pthread_key_t key)
{
    if (key < PTHREAD_KEYS_MAX)
        store_relaxed(&keys[key].known, false);
}

/* A destructor inside the allocator is one of its own, unless it is free(): anybody may use that one. */
static void (*allocator_free)(void *);

static bool is_allocators(void (*destructor)(void *))
{
    struct object object;
    return destructor && kept[ALLOCATOR] && destructor != allocator_free && object_find((void *)destructor, &object) &&
           object.base == kept[ALLOCATOR];
}

/* One round over all keys; whether there was a value. libc's own order and rule: the value is gone before its
 * destructor runs. The allocator keeps what it has: its thread goes on. */
static bool destroy_values(void)
{
    bool any = false;
    unsigned end = load_relaxed(&keys_end);
    for (pthread_key_t key = 0; key < end; key++) {
        void *value = load_relaxed(&keys[key].known) ? libc.pthread_getspecific(key) : NULL;
        if (!value)
            continue;
        void (*destructor)(void *) = load_relaxed(&keys[key].destructor);
        if (is_allocators(destructor))
            continue;
        libc.pthread_setspecific(key, NULL);
        any = true;
        if (destructor)
            destructor(value);
    }
    return any;
}

/* What is left after the last round is lost, as libc does. */
static void clear_values(void)
{
    unsigned end = load_relaxed(&keys_end);
    for (pthread_key_t key = 0; key < end; key++)
        if (load_relaxed(&keys[key].known) && libc.pthread_getspecific(key) &&
            !is_allocators(load_relaxed(&keys[key].destructor)))
            libc.pthread_setspecific(key, NULL);
}

static bool has_unseen_values(void)
{
    unsigned end = load_relaxed(&keys_end) + UNSEEN;
    for (pthread_key_t key = 0; key < end && key < PTHREAD_KEYS_MAX; key++)
        if (key != own_key && !load_relaxed(&keys[key].known) && libc.pthread_getspecific(key))
            return true;
    return false;
}

/* ---- the end of a task ---- */

/* libc's list of thread_local destructors, with its counts of the objects that hold them (GLIBC_PRIVATE since 2.18). */
HOT static void (*call_tls_dtors)(void); /* relaxed: whoever looks it up finds the same */

void fresh_destroy(struct traces *traces)
{
    void (*destroy)(void) = load_relaxed(&call_tls_dtors);
    destroy();
    traces->objects_are_gone = true;
    int rounds = PTHREAD_DESTRUCTOR_ITERATIONS;
    while (rounds-- && destroy_values())
        ;
    if (rounds < 0)
        clear_values();
}

static bool has_pending(const sigset_t *mask)
{
    /* A signal for this thread alone can only be pending if the task had blocked it. */
    static const sigset_t none;
    if (memcmp(mask, &none, NSIG / 8) == 0)
        return false;
    sigset_t pending;
    sigpending(&pending);
    return memcmp(&pending, &none, NSIG / 8) != 0;
}

static bool holds_robust_mutex(const struct robust_list_head *head)
{
    return head && (head->list.next != &head->list || head->list_op_pending);
}

bool fresh_is_tainted(const struct traces *traces, const sigset_t *mask)
{
    return has_pending(mask) || holds_robust_mutex(traces->robust_list) || __res_state()->options ||
           has_unseen_values();
}

/* ---- the CPU clock ---- */

/* Reading it is a system call of half a microsecond, so it is done when the estimate may be wrong by more than this. */
enum { SLACK_NS = 50000 };

static bool usage_used;

static void note_clocks(struct traces *traces)
{
    if (load_relaxed(&usage_used))
        real.getrusage(RUSAGE_THREAD, &traces->usage_base);
    if (traces->cpu_slack < SLACK_NS)
        return;
    struct timespec now;
    real.clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    traces->cpu_base = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    traces->cpu_slack = 0;
}

const struct rusage *fresh_usage_base(struct traces *traces, const struct rusage *usage)
{
    struct rusage *base = &traces->usage_base;
    if (!load_relaxed(&usage_used)) {
        store_relaxed(&usage_used, true); /* who misses it is one of those tasks that are running now */
        struct timeval spent = {traces->cpu_base / 1000000000, traces->cpu_base / 1000 % 1000000};
        /* The counts start now; of the time it is not known how much was the kernel's. */
        *base = *usage;
        if (spent.tv_sec < usage->ru_utime.tv_sec ||
            (spent.tv_sec == usage->ru_utime.tv_sec && spent.tv_usec < usage->ru_utime.tv_usec))
            base->ru_utime = spent;
        timersub(&spent, &base->ru_utime, &base->ru_stime);
    }
    return base;
}

/* The kernel refuses where the thread stands on it: sigstack(3) does not tell how large it is, so it reaches down to
 * here. */
static bool drop_altstack(struct traces *traces)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    traces->has_altstack = traces->has_altstack && real.sigaltstack(&none, NULL) != 0;
    return !traces->has_altstack;
}

bool fresh_reset(struct traces *traces)
{
    if (!drop_altstack(traces))
        return false;
    traces->objects_are_gone = false;
    libc.dlerror();
    libc.uselocale(LC_GLOBAL_LOCALE);
    h_errno = 0;
    note_clocks(traces);
    return reset_tls(traces);
}

/* ---- the beginning ---- */

/* Not by a walk, which may have to wait for the loader's lock. And not in the new thread: libraries may come and go
 * after libc has laid out its data, and the thread would take them for older than itself. */
void fresh_conceive(struct traces *traces)
{
    struct loads loads = last_known();
    traces->adds = loads.adds;
    traces->subs = loads.subs;
}

void fresh_birth(struct traces *traces)
{
    size_t size;
    void *head = NULL;
    os_call(SYS_get_robust_list, 0, &head, &size);
    traces->robust_list = head;
}

/* Not at start-up: the program may still be loading, and most programs make no thread. Several threads may do it at
 * once, and find the same: no lock, which a fork could leave locked. Context: under no lock. */
void fresh_prepare(void)
{
    static bool is_prepared;
    object_prepare();
    if (__builtin_expect(load_acquire(&is_prepared), 1))
        return;
    keep(LIBC, base_of((const void *)load_relaxed(&call_tls_dtors)));
    keep(LOADER, base_of((const void *)getauxval(AT_BASE)));
    keep(OURS, base_of((const void *)fresh_prepare));
    uintptr_t allocator = base_of(lookup_first("malloc"));
    keep(ALLOCATOR, allocator == load_relaxed(&kept[LIBC]) ? 0 : allocator);
    store_relaxed(&allocator_free, (void (*)(void *))lookup_first("free"));
    fork_watch();
    store_release(&is_prepared, true);
}

bool fresh_start(void)
{
    void (*found)(void) = (void (*)(void))lookup_in_libc("__call_tls_dtors");
    store_relaxed(&call_tls_dtors, found);
    object_prepare();
    if (object_can_walk())
        walk_objects((struct loads){0, 0}); /* looks at their number only: there is an object */
    return found;
}
