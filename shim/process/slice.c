#include "shim/process/slice.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "shim/atomic.h"
#include "shim/hot.h"
#include "shim/os.h"

/* As of Linux 5.3; sched_runtime is the slice where the policy is none of SCHED_DEADLINE. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t least, most;
};

/* The longest that the kernel gives, and a number that nobody else asks for. */
enum { OURS_NS = 99999991 };

static bool read_own(struct attributes *own)
{
    *own = (struct attributes){.size = sizeof *own};
    return os_call(SYS_sched_getattr, 0, own, sizeof *own, 0) == 0 &&
           (own->policy == SCHED_OTHER || own->policy == SCHED_BATCH);
}

/* What was read, but for the slice. */
static void write_own(struct attributes *own, uint64_t slice)
{
    own->size = sizeof *own;
    own->runtime = slice;
    os_call(SYS_sched_setattr, 0, own, 0);
}

/* Some thread of this process has long slices: the first one, and who was made by it. Relaxed: only who has it from
 * there asks. */
HOT static bool is_long;

void slice_start(void)
{
    struct attributes own;
    store_relaxed(&is_long, read_own(&own) && own.runtime == OURS_NS);
}

/* Before Linux 6.12 the kernel says 0, and would take any number for nothing. */
void slice_lengthen(void)
{
    struct attributes own;
    if (read_own(&own) && own.runtime) {
        write_own(&own, OURS_NS);
        store_relaxed(&is_long, true);
    }
}

void slice_restore(void)
{
    struct attributes own;
    if (load_relaxed(&is_long) && read_own(&own) && own.runtime == OURS_NS)
        write_own(&own, 0);
}
