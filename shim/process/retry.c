#include "shim/process/retry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "policy/retry.h"
#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/os.h"
#include "shim/process/handler.h"
#include "shim/process/limit.h"
#include "shim/report/report.h"
#include "shim/startup.h"
#include "shim/thread/pool.h"

enum { MILLISECOND_NS = 1000000 };

/* The process of which the last call that was tried again was refused to the end; its children begin afresh. Relaxed: a
 * thread that misses a change waits once more, or once less. */
HOT static pid_t exhausted;

static bool may_wait(void)
{
    return settings.spawn_retry_ms && !pool_is_forgotten() && load_relaxed(&exhausted) != os_pid() &&
           !handler_is_running();
}

bool retry_again(struct retry *retry, int error)
{
    if (error != EAGAIN && error != ENOMEM)
        return false;
    retry->error = error;
    if (!retry->refused++ && !may_wait())
        return false;
    if (retry->refused == 1)
        pool_make_room(); /* parked threads count for the limit, too */
    unsigned pause = retry_pause_ms(retry->refused, settings.spawn_retry_ms);
    if (!pause) {
        store_relaxed(&exhausted, os_pid());
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
        if (load_relaxed(&exhausted)) /* not a page to be copied after each fork */
            store_relaxed(&exhausted, 0);
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
