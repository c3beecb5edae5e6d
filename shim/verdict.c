#include "shim/verdict.h"

#include <errno.h>

#include "shim/atomic.h"
#include "shim/domain/counts.h"
#include "shim/domain/place.h"
#include "shim/hot.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/thread/attributes.h"
#include "shim/thread/fresh.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

/* Written by start-up, before any call is sent to us. */
HOT static capabilities can;
HOT static bool is_tidy;

/* Threads are made ready when the first is asked for: most programs make none. Several creators may come at once; each
 * makes everything ready, and the first to end says whether it worked. */
enum threads { UNTRIED, POSSIBLE, IMPOSSIBLE };
HOT static enum threads threads;

static __attribute__((noinline)) bool start_threads(void)
{
    int saved = errno;
    attributes_defaults_changed();
    bool is_ready = fresh_start() && pool_start(settings.pool_max, settings.idle_ms, is_tidy) && worker_start();
    errno = saved;
    return is_ready;
}

static bool threads_are_ready(void)
{
    enum threads now = load_acquire(&threads), untried = UNTRIED; /* with what was made ready */
    if (now == UNTRIED) {
        now = start_threads() ? POSSIBLE : IMPOSSIBLE;
        if (!cas_seq_cst(&threads, &untried, now))
            now = untried;
    }
    return now == POSSIBLE;
}

void verdict_prepare(void)
{
    threads_are_ready();
}

void verdict_start(bool tidy)
{
    is_tidy = tidy;
    worker_place();
    counts_start();
    can |= 1u << REQUEST_PROCESS | 1u << REQUEST_CPU_COUNT;
    place_start();
}

bool may_manage(enum request request, enum symbol call, const void *caller)
{
    bool is_thread = request == REQUEST_THREAD && settings.mode == MODE_MANAGED && threads_are_ready();
    capabilities now = can | (is_thread ? 1u << REQUEST_THREAD : 0);
    struct verdict verdict = decide_call(request, &settings, now);
    if (verdict.outcome == OUTCOME_DOWNGRADE)
        report_downgrade(call, verdict.reason, caller);
    return verdict.outcome == OUTCOME_MANAGED;
}
