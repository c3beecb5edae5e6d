#include "shim/verdict.h"

#include "shim/report/report.h"
#include "shim/startup.h"

/* What this version manages. */
static const capabilities can = 0;

bool may_manage(enum request request, enum symbol call, const void *caller)
{
    struct verdict verdict = decide_call(request, &settings, can);
    if (verdict.outcome == OUTCOME_DOWNGRADE)
        report_downgrade(call, verdict.reason, caller);
    return verdict.outcome == OUTCOME_MANAGED;
}
