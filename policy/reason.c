#include "policy/reason.h"

static const struct reason_text texts[REASONS] = {
#define REASON(id, code, scope, why, remedy) [REASON_##id] = {code, SCOPE_##scope, why, remedy},
#include "policy/reasons.def"
};

const struct reason_text *reason_text(enum reason reason)
{
    return &texts[reason];
}
