/* GNU OpenMP: the entry points that gcc emits where a program starts a team (gcc, libgomp/libgomp_g.h).
 *
 * A region inside another one runs on what the outer one has; one of a single thread needs nobody else. */
#include "shim/domain/recognise.h"
#include "shim/startup.h"
#include "shim/team/libomp.h"
#include "shim/team/runtime.h"
#include "shim/team/turn.h"
#include "shim/thread/worker.h"

#define CALLER __builtin_return_address(0)

struct region {
    struct runtime_copy *runtime; /* NULL: there is none */
    unsigned threads;             /* what the runtime is asked for */
    bool owes;                    /* turn_leave() */
};

/* Whether a team without a num_threads clause may be smaller than the program was told: where the program or the user
 * says so. OpenBLAS divides its work by what it was told, whatever they say. */
static bool is_malleable(const struct omp *omp, const void *caller)
{
    struct object object;
    bool is_allowed = settings.teams == TEAMS_MALLEABLE || (omp->get_dynamic && omp->get_dynamic());
    return is_allowed && runtime_of(caller, &object) != RUNTIME_OPENBLAS;
}

/* Before a region that asked for `threads` (0: as many as the runtime chooses), of which it can use `most`. */
static struct region enter(enum symbol symbol, unsigned threads, unsigned most, const void *caller)
{
    struct region region = {.runtime = runtime_behind(caller), .threads = threads};
    if (threads == 1 || most == 1 || !region.runtime)
        return region;
    const struct omp *omp = &region.runtime->omp;
    if (!omp->get_active_level || !omp->get_max_threads || omp->get_active_level() > 0)
        return region;
    if (region.runtime->is_libomp && libomp_watches_itself())
        return region;
    struct waits *waits = &region.runtime->waits;
    struct gang gang = {threads ? threads : (unsigned)omp->get_max_threads(), false, waits->kind, symbol, caller};
    if (most && gang.size > most)
        gang.size = most;
    if (gang.size <= 1)
        return region;
    gang.is_malleable = !threads && is_malleable(omp, caller);
    region.owes = turn_enter(&gang);
    waits_follow(waits, turn_gives_way());
    if (region.owes && gang.is_malleable)
        region.threads = gang.size;
    return region;
}

static void leave(const struct region *region)
{
    if (region->owes)
        turn_leave();
}

#define BEHIND(region, name) ((__typeof__(real.name))runtime_function((region).runtime, SYMBOL_##name))

/* ---- the region is one call ---- */

void managed_GOMP_parallel(void (*run)(void *), void *data, unsigned threads, unsigned flags)
{
    struct region region = enter(SYMBOL_GOMP_parallel, threads, 0, CALLER);
    BEHIND(region, GOMP_parallel)(run, data, region.threads, flags);
    leave(&region);
}

unsigned managed_GOMP_parallel_reductions(void (*run)(void *), void *data, unsigned threads, unsigned flags)
{
    struct region region = enter(SYMBOL_GOMP_parallel_reductions, threads, 0, CALLER);
    unsigned size = BEHIND(region, GOMP_parallel_reductions)(run, data, region.threads, flags);
    leave(&region);
    return size;
}

void managed_GOMP_parallel_sections(void (*run)(void *), void *data, unsigned threads, unsigned count, unsigned flags)
{
    struct region region = enter(SYMBOL_GOMP_parallel_sections, threads, count, CALLER);
    BEHIND(region, GOMP_parallel_sections)(run, data, region.threads, count, flags);
    leave(&region);
}

#define LOOP_WITH_CHUNK(name)                                                                                          \
    void managed_##name(void (*run)(void *), void *data, unsigned threads, long start, long end, long step,            \
                        long chunk, unsigned flags)                                                                    \
    {                                                                                                                  \
        struct region region = enter(SYMBOL_##name, threads, 0, CALLER);                                               \
        BEHIND(region, name)(run, data, region.threads, start, end, step, chunk, flags);                               \
        leave(&region);                                                                                                \
    }
LOOP_WITH_CHUNK(GOMP_parallel_loop_static)
LOOP_WITH_CHUNK(GOMP_parallel_loop_dynamic)
LOOP_WITH_CHUNK(GOMP_parallel_loop_guided)
LOOP_WITH_CHUNK(GOMP_parallel_loop_nonmonotonic_dynamic)
LOOP_WITH_CHUNK(GOMP_parallel_loop_nonmonotonic_guided)

#define LOOP(name)                                                                                                     \
    void managed_##name(void (*run)(void *), void *data, unsigned threads, long start, long end, long step,            \
                        unsigned flags)                                                                                \
    {                                                                                                                  \
        struct region region = enter(SYMBOL_##name, threads, 0, CALLER);                                               \
        BEHIND(region, name)(run, data, region.threads, start, end, step, flags);                                      \
        leave(&region);                                                                                                \
    }
LOOP(GOMP_parallel_loop_runtime)
LOOP(GOMP_parallel_loop_nonmonotonic_runtime)
LOOP(GOMP_parallel_loop_maybe_nonmonotonic_runtime)

/* ---- before gcc 4.9: the caller runs its part itself, between two calls ---- */

/* That the outermost region owes something is kept in the thread, with the level that it ends below. */
static struct region start(enum symbol symbol, unsigned threads, unsigned most, const void *caller)
{
    struct region region = enter(symbol, threads, most, caller);
    if (region.owes && region.runtime->omp.get_level)
        slot.level = (uint16_t)(region.runtime->omp.get_level() + 1);
    return region;
}

void managed_GOMP_parallel_start(void (*run)(void *), void *data, unsigned threads)
{
    struct region region = start(SYMBOL_GOMP_parallel_start, threads, 0, CALLER);
    BEHIND(region, GOMP_parallel_start)(run, data, region.threads);
}

void managed_GOMP_parallel_sections_start(void (*run)(void *), void *data, unsigned threads, unsigned count)
{
    struct region region = start(SYMBOL_GOMP_parallel_sections_start, threads, count, CALLER);
    BEHIND(region, GOMP_parallel_sections_start)(run, data, region.threads, count);
}

#define LOOP_START_WITH_CHUNK(name)                                                                                    \
    void managed_##name(void (*run)(void *), void *data, unsigned threads, long first, long end, long step,            \
                        long chunk)                                                                                    \
    {                                                                                                                  \
        struct region region = start(SYMBOL_##name, threads, 0, CALLER);                                               \
        BEHIND(region, name)(run, data, region.threads, first, end, step, chunk);                                      \
    }
LOOP_START_WITH_CHUNK(GOMP_parallel_loop_static_start)
LOOP_START_WITH_CHUNK(GOMP_parallel_loop_dynamic_start)
LOOP_START_WITH_CHUNK(GOMP_parallel_loop_guided_start)

void managed_GOMP_parallel_loop_runtime_start(void (*run)(void *), void *data, unsigned threads, long first, long end,
                                              long step)
{
    struct region region = start(SYMBOL_GOMP_parallel_loop_runtime_start, threads, 0, CALLER);
    BEHIND(region, GOMP_parallel_loop_runtime_start)(run, data, region.threads, first, end, step);
}

void managed_GOMP_parallel_end(void)
{
    const struct runtime_copy *runtime = runtime_behind(CALLER);
    void (*end)(void) = (void (*)(void))runtime_function(runtime, SYMBOL_GOMP_parallel_end);
    end();
    if (slot.level && runtime && runtime->omp.get_level && runtime->omp.get_level() < slot.level)
        turn_abandon();
}
