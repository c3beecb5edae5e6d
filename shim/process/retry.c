#include "shim/process/retry.h"

#include <errno.h>

#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/thread/pool.h"

enum { FIRST_PAUSE_NS = 1000000, MILLISECOND_NS = 1000000 };

/* The last call that was tried again was refused to the end. Relaxed: a thread that misses a change waits once more, or
 * once less. */
static bool exhausted;

bool retry_again(struct retry *retry, int error)
{
    if ((error != EAGAIN && error != ENOMEM) || load_relaxed(&exhausted) || !settings.spawn_retry_ms)
        return false;
    int64_t now = os_now();
    if (!retry->begun) {
        retry->begun = now;
        retry->pause = FIRST_PAUSE_NS;
        pool_make_room(); /* parked threads count for the limit, too */
    }
    int64_t left = retry->begun + (int64_t)settings.spawn_retry_ms * MILLISECOND_NS - now;
    if (left <= 0) {
        store_relaxed(&exhausted, true);
        return false;
    }
    static const uint32_t never;
    os_wait(&never, 0, retry->pause < left ? retry->pause : left);
    retry->pause *= 2;
    return true;
}

void retry_done(const struct retry *retry, bool failed, enum symbol call, const void *caller)
{
    if (!failed)
        store_relaxed(&exhausted, false);
    else if (retry->begun)
        report_downgrade(call, REASON_PROCESS_LIMIT, caller);
}
