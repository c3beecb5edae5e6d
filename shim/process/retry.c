#include "shim/process/retry.h"

#include <errno.h>
#include <string.h>

#include "policy/retry.h"
#include "shim/atomic.h"
#include "shim/os.h"
#include "shim/process/handler.h"
#include "shim/process/limit.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/thread/pool.h"

enum { MILLISECOND_NS = 1000000 };

/* The last call that was tried again was refused to the end. Not in a fork child, which begins afresh. Relaxed: a
 * thread that misses a change waits once more, or once less. */
static bool exhausted;

void retry_forget(void)
{
    store_relaxed(&exhausted, false);
}

static bool may_wait(void)
{
    return settings.spawn_retry_ms && !load_relaxed(&exhausted) && !pool_is_forgotten() && !handler_is_running();
}

bool retry_again(struct retry *retry, int error)
{
    if (error != EAGAIN && error != ENOMEM)
        return false;
    retry->error = error;
    if (!retry->refused++ && !may_wait())
        return false;
    int64_t now = os_now();
    if (retry->refused == 1) {
        retry->begun = now;
        pool_make_room(); /* parked threads count for the limit, too */
    }
    unsigned pause = retry_pause_ms(retry->refused, settings.spawn_retry_ms);
    /* Attempts that take long themselves count as well. */
    if (!pause || now - retry->begun >= 2 * (int64_t)settings.spawn_retry_ms * MILLISECOND_NS) {
        store_relaxed(&exhausted, true);
        return false;
    }
    static const uint32_t never;
    os_wait(&never, 0, (int64_t)pause * MILLISECOND_NS);
    return true;
}

/* "RLIMIT_NPROC is 20; refused 11 times" */
static void describe(const struct retry *retry, char text[LIMIT_TEXT + 32])
{
    char digits[12], *digit = digits + sizeof digits - 1;
    unsigned refused = retry->refused;
    limit_describe(retry->error, text);
    strcat(text, *text ? "; refused " : "refused ");
    *digit = '\0';
    do
        *--digit = (char)('0' + refused % 10);
    while (refused /= 10);
    strcat(text, digit);
    strcat(text, retry->refused == 1 ? " time" : " times");
}

void retry_done(const struct retry *retry, bool failed, enum symbol call, const void *caller)
{
    if (!failed) {
        store_relaxed(&exhausted, false);
        return;
    }
    if (!retry->refused || !settings.spawn_retry_ms)
        return;
    /* What limit it was is looked for where there is time for that. */
    char detail[LIMIT_TEXT + 32] = "";
    if (retry->refused > 1)
        describe(retry, detail);
    report_downgrade_for(call, REASON_PROCESS_LIMIT, caller, detail);
}
