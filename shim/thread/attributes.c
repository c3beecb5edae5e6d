#include "shim/thread/attributes.h"
#include "shim/libc.h"

#include <sched.h>
#include <string.h>

#include "shim/atomic.h"
#include "shim/switchboard/switchboard.h"

static struct stack_class default_stack;

static struct stack_class stack_of(const pthread_attr_t *attr)
{
    struct stack_class stack;
    libc.pthread_attr_getstacksize(attr, &stack.size);
    libc.pthread_attr_getguardsize(attr, &stack.guard);
    return stack;
}

void attributes_defaults_changed(void)
{
    pthread_attr_t attr;
    if (libc.pthread_attr_init(&attr) != 0)
        return;
    struct stack_class stack = stack_of(&attr);
    libc.pthread_attr_destroy(&attr);
    /* Relaxed: threads that are made while the defaults change may have either; a mixture fits no parked worker. */
    store_relaxed(&default_stack.size, stack.size);
    store_relaxed(&default_stack.guard, stack.guard);
}

/* libc answers "no stack" with the lowest address of one that ends at 0. */
static bool has_stack(const pthread_attr_t *attr)
{
    void *low;
    size_t size;
    return libc.pthread_attr_getstack(attr, &low, &size) == 0 && (uintptr_t)low + size != 0;
}

static bool has_scheduling(const pthread_attr_t *attr)
{
    int inherit = PTHREAD_INHERIT_SCHED;
    libc.pthread_attr_getinheritsched(attr, &inherit);
    return inherit == PTHREAD_EXPLICIT_SCHED;
}

/* libc answers "no set" with one that has every bit. */
static bool has_affinity(const pthread_attr_t *attr)
{
    cpu_set_t set, all;
    memset(&all, 0xff, sizeof all);
    return libc.pthread_attr_getaffinity_np(attr, sizeof set, &set) != 0 || !CPU_EQUAL(&set, &all);
}

void attributes_read(const pthread_attr_t *attr, struct attributes *out)
{
    memset(&out->facts, 0, sizeof out->facts);
    out->detached = out->has_mask = false;
    if (!attr) {
        out->stack.size = load_relaxed(&default_stack.size);
        out->stack.guard = load_relaxed(&default_stack.guard);
        return;
    }
    int detach = PTHREAD_CREATE_JOINABLE;
    libc.pthread_attr_getdetachstate(attr, &detach);
    out->detached = detach == PTHREAD_CREATE_DETACHED;
    out->stack = stack_of(attr);
    out->has_mask = libc.pthread_attr_getsigmask_np(attr, &out->mask) == 0;
    out->facts.own_stack = has_stack(attr);
    out->facts.own_scheduling = has_scheduling(attr);
    out->facts.own_affinity = has_affinity(attr);
}
