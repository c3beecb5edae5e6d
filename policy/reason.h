/* The reason codes: one list, reasons.def. Pure. */
#ifndef UNIRUN_POLICY_REASON_H
#define UNIRUN_POLICY_REASON_H

#include <stddef.h>

enum reason {
    REASON_NONE,
#define REASON(id, code, scope, why, remedy) REASON_##id,
#include "policy/reasons.def"
    REASONS
};

/* What is downgraded: a call of a running program, a process, or a program that the launcher is about to start. */
enum reason_scope { SCOPE_CALL, SCOPE_PROCESS, SCOPE_PROGRAM };

struct reason_text {
    const char *code;
    enum reason_scope scope;
    const char *why;
    const char *remedy;
};

/* What the list says of `reason`, which must be one of its rows (not REASON_NONE). */
const struct reason_text *reason_text(enum reason reason);

#endif
