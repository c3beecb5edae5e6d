#include "shim/verdict.h"

#include "shim/domain/counts.h"
#include "shim/domain/place.h"
#include "shim/libc.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/thread/attributes.h"
#include "shim/thread/pool.h"
#include "shim/thread/worker.h"

/* Written by start-up, before the calls are switched to us. */
static capabilities can;

void verdict_start(bool tidy)
{
    libc_start();
    worker_place();
    counts_start();
    can |= 1u << REQUEST_PROCESS | 1u << REQUEST_CPU_COUNT;
    attributes_defaults_changed();
    place_start();
    if (pool_start(settings.pool_max, settings.idle_ms, tidy) && worker_start())
        can |= 1u << REQUEST_THREAD;
}

bool may_manage(enum request request, enum symbol call, const void *caller)
{
    struct verdict verdict = decide_call(request, &settings, can);
    if (verdict.outcome == OUTCOME_DOWNGRADE)
        report_downgrade(call, verdict.reason, caller);
    return verdict.outcome == OUTCOME_MANAGED;
}
