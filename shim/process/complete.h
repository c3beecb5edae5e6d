/* An environment made complete on the stack of the function that gives it to a program. */
#ifndef UNIRUN_SHIM_PROCESS_COMPLETE_H
#define UNIRUN_SHIM_PROCESS_COMPLETE_H

#include "shim/process/propagate.h"

/* `env`, or a complete one where UNIRUN_PROPAGATE asks for it. A macro: it is gone when the function returns.
 * Not among the arguments of a call, where the stack is not to be moved. */
#define COMPLETE(env)                                                                                                  \
    ({                                                                                                                 \
        const struct propagation need_ = propagate_need(env);                                                          \
        need_.entries ? propagate_fill(&need_, env, __builtin_alloca(need_.entries * sizeof(char *)),                  \
                                       __builtin_alloca(need_.text + 1))                                               \
                      : env;                                                                                           \
    })

#endif
