/* What a thread's attributes ask for. */
#ifndef UNIRUN_SHIM_THREAD_ATTRIBUTES_H
#define UNIRUN_SHIM_THREAD_ATTRIBUTES_H

#include "policy/decide.h"
#include "shim/thread/worker.h"

struct attributes {
    struct thread_facts facts;
    struct stack_class stack;
    bool detached;
    bool has_mask;
    sigset_t mask;
};

/* Reads `attr`, NULL for the defaults. */
void attributes_read(const pthread_attr_t *attr, struct attributes *out);

/* The process's defaults may have changed (pthread_setattr_default_np). Also at start-up. */
void attributes_defaults_changed(void);

#endif
