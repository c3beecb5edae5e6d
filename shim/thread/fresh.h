/* What a new thread finds fresh, and how a used one is made to look so. */
#ifndef UNIRUN_SHIM_THREAD_FRESH_H
#define UNIRUN_SHIM_THREAD_FRESH_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* The control words that a thread inherits (stubs_*.S). */
struct fpu_control {
    uint32_t mxcsr;
    uint16_t x87_control, x87_status;
};
void fpu_read(struct fpu_control *control);
void fpu_write(const struct fpu_control *control);

/* What is remembered of a worker's thread from task to task. */
struct traces {
    const void *robust_list;       /* libc's head of it: empty when it points to itself */
    unsigned long long adds, subs; /* objects loaded and unloaded before the thread was born, as far as was known */
    bool has_altstack;             /* the task set an alternate signal stack */
    bool objects_are_gone;         /* its thread_local objects were destroyed; written and read in the thread only */
    int64_t cpu_base;              /* its CPU clock, not later than the start of the task */
    int64_t cpu_slack;             /* by how much at most cpu_base may be too early */
    struct rusage usage_base;      /* the same for getrusage, once the program has asked */
};

/* Before libc makes a thread. Context: its creator. */
void fresh_conceive(struct traces *traces);

/* Looks at a thread that was just made. Context: in it. */
void fresh_birth(struct traces *traces);

/* Runs the destructors that are due when a thread ends: thread_local objects, then keys. Context: in the thread, in the
 * program's own surroundings; the program's code runs. */
void fresh_destroy(struct traces *traces);

/* Whether something is left that only the thread's real end can clean up. `mask` is the signal mask that the task ended
 * with; everything is blocked now. */
bool fresh_is_tainted(const struct traces *traces, const sigset_t *mask);

/* Makes everything else fresh. False: it cannot be done, the thread must end. Context: in the thread, parked and
 * unclaimed, everything blocked: it takes the loader's lock, which a joiner may hold. */
bool fresh_reset(struct traces *traces);

/* Before the first thread is made. */
void fresh_prepare(void);

/* What getrusage counted before the calling thread's task. From the first call on it is noted for every task; before
 * that, for those tasks that are running then, only the time is known. */
const struct rusage *fresh_usage_base(struct traces *traces, const struct rusage *usage);

/* When the first thread is asked for; several may do it at once, and find the same. False: libc lacks what it takes. */
bool fresh_start(void);

/* Keys, as the program creates and deletes them; and our own, which is not the program's. */
void fresh_key_created(pthread_key_t key, void (*destructor)(void *));
void fresh_key_deleted(pthread_key_t key);
void fresh_own_key(pthread_key_t key);

#endif
