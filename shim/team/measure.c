#include "shim/team/measure.h"

#include <string.h>
#include <time.h>

#include "shim/atomic.h"
#include "shim/domain/member.h"
#include "shim/os.h"
#include "shim/team/team.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

enum {
    MILLISECOND = 1000000,
    FIRST = 8,               /* so many regions are measured one after the other, */
    PAUSE = 4 * MILLISECOND, /* and then one in this time */
    ABANDONED =
        50 * MILLISECOND,      /* a sample that is as old was begun by a thread that has left its region another way */
    TICK_NS = 1 * MILLISECOND, /* a look is due after regions of about this length */
    MOST_TICK_MASK = 127,
    REFRESH = 20 * MILLISECOND, /* how often threads are looked at, */
    REFRESH_WELL = 100 * MILLISECOND,
    PART_OF_TIME = 200, /* or so that it takes no more than one part in these of the time, if they are many */
};

/* ---- lengths ---- */

static int64_t thread_cpu(void)
{
    return os_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* After so many regions of this length with the gap behind it, a power of two, a look is due. */
static uint32_t tick_mask(uint64_t cycle)
{
    uint32_t mask = 0;
    while (mask < MOST_TICK_MASK && (mask + 1) * cycle < TICK_NS)
        mask = mask * 2 + 1;
    return mask;
}

bool measure_begin(int64_t now)
{
    struct measured *measured = &team.measured;
    struct sample *sample = &measured->sample;
    const void *none = load_relaxed(&sample->thread);
    if (none && now - load_relaxed(&sample->begun) < ABANDONED)
        return false;
    if (measured->gaps.count >= FIRST && now - sample->ended < PAUSE)
        return false;
    /* Acquire: pairs with the release in finish(). Of several threads one takes it. */
    if (!cas_acquire(&sample->thread, none, (const void *)&slot))
        return false;
    sample->is_over = false;
    store_relaxed(&sample->begun, now);
    sample->cpu = thread_cpu();
    return true;
}

/* The region's length is what its thread computes, with waits as they are: a region whose thread has to wait for a CPU
 * would be longer by far. */
void measure_leave(struct table_row *row)
{
    struct measured *measured = &team.measured;
    struct sample *sample = &measured->sample;
    if (load_relaxed(&sample->thread) != &slot || sample->is_over)
        return;
    uint64_t length = turn_region_length((uint64_t)(thread_cpu() - sample->cpu), load_relaxed(&team.waits_are_short));
    store_relaxed(&row->want.region_ns, turn_usual(&measured->regions, length));
    sample->ended = os_now();
    sample->is_over = true;
}

/* The gap is over. Whether a class of lengths may have been left, which others should hear of. */
static bool finish(struct table_row *row, int64_t now)
{
    struct measured *measured = &team.measured;
    struct sample *sample = &measured->sample;
    if (load_relaxed(&sample->thread) != &slot || !sample->is_over)
        return false;
    uint32_t gap = turn_usual(&measured->gaps, (uint64_t)(now - sample->ended));
    store_relaxed(&row->want.gap_ns, gap);
    bool is_known = measured->gaps.count >= FIRST;
    store_relaxed(&team.tick_mask, is_known ? tick_mask((uint64_t)load_relaxed(&row->want.region_ns) + gap + 1) : 0);
    store_release(&sample->thread, NULL);
    return !is_known || measured->gaps.count == FIRST;
}

/* ---- threads ---- */

static void add_mask(int tid, void *arg)
{
    struct share_want *want = arg, one;
    member_read_mask(tid, &one);
    for (unsigned i = 0; i < SHARE_WORDS; i++)
        want->cpus[i] |= one.cpus[i];
}

bool measure_cpus(struct table_row *row)
{
    struct share_want all = {.demand = 0};
    add_mask(0, &all);
    pool_each_pooled(add_mask, &all);
    bool is_new = memcmp(all.cpus, row->want.share.cpus, sizeof all.cpus) != 0;
    for (unsigned i = 0; is_new && i < SHARE_WORDS; i++)
        store_relaxed(&row->want.share.cpus[i], all.cpus[i]);
    return is_new;
}

/* How long a thread has waited for a CPU, by the kernel's account (Documentation/scheduler/sched-stats.rst): the second
 * number, in nanoseconds. Nothing where it keeps none. */
static void add_delay(int tid, void *arg)
{
    static const char before[] = "/proc/self/task/", behind[] = "/schedstat";
    struct delays *delays = arg;
    char path[sizeof before + 10 + sizeof behind], digits[10], text[64], *at = path + sizeof before - 1;
    int count = 0;
    memcpy(path, before, sizeof before - 1);
    do
        digits[count++] = (char)('0' + tid % 10);
    while (tid /= 10);
    while (count)
        *at++ = digits[--count];
    memcpy(at, behind, sizeof behind);
    delays->threads++;
    if (!os_read_file(path, text, sizeof text) || !(at = strchr(text, ' ')))
        return;
    uint64_t delay = 0;
    for (at++; *at >= '0' && *at <= '9'; at++)
        delay = delay * 10 + (uint64_t)(*at - '0');
    delays->sum += delay;
}

/* Of the calling thread and the pools' threads, since the last time that the same thread came here. Beside others that
 * are in the way, too, delays say nothing. While all is well they are read rarely: that opens files. */
static void read_delays(struct measured *measured, int64_t now)
{
    const struct delays before = measured->delays;
    struct delays delays = {.thread = &slot, .turn = load_relaxed(&team.turn_began), .read = now};
    bool is_contended = load_relaxed(&team.is_contended);
    bool is_well = !is_contended && !turn_is_crowded(&measured->crowd, now);
    if (is_well && before.thread && !before.turn && now - before.read < REFRESH_WELL)
        return;
    measured->delays.thread = NULL;
    if (is_contended && !delays.turn)
        return;
    add_delay(os_tid(), &delays);
    pool_each_pooled(add_delay, &delays);
    measured->delays = delays;
    if (now - before.read >= REFRESH && before.thread == delays.thread && before.threads == delays.threads &&
        before.turn == delays.turn && delays.sum >= before.sum)
        turn_notice_delay(&measured->crowd, delays.sum - before.sum, (uint64_t)(now - before.read), delays.turn, now);
}

/* After the first region the team has its threads. */
static bool is_first(struct measured *measured)
{
    return measured->gaps.count == 1 && !measured->has_threads;
}

static bool refresh(struct table_row *row, int64_t now)
{
    struct measured *measured = &team.measured;
    int64_t last = load_relaxed(&measured->refreshed);
    if (now - last < REFRESH + PART_OF_TIME * load_relaxed(&measured->cost) && !is_first(measured))
        return false;
    /* Of several threads one does it. */
    if (!cas_acquire(&measured->refreshed, last, now))
        return false;
    measured->has_threads = measured->gaps.count;
    int niceness = member_niceness();
    read_delays(measured, now);
    bool is_crowded = turn_is_crowded(&measured->crowd, now);
    bool is_new = measure_cpus(row) || niceness != load_relaxed(&row->want.niceness) ||
                  is_crowded != load_relaxed(&row->want.is_crowded);
    store_relaxed(&row->want.niceness, (int8_t)niceness);
    store_relaxed(&row->want.is_crowded, is_crowded);
    int64_t cost = os_now() - now; /* no more than so much: it may have had to wait for a CPU */
    store_relaxed(&measured->cost, cost < MILLISECOND ? cost : MILLISECOND);
    return is_new;
}

bool measure_enter(struct table_row *row, int64_t now)
{
    bool is_new = finish(row, now);
    return refresh(row, now) || is_new;
}
