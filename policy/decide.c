#include "policy/decide.h"

static struct verdict downgrade(enum reason reason)
{
    return (struct verdict){OUTCOME_DOWNGRADE, reason};
}

/* Whether the settings want this kind of request managed at all. What the user switched off is no downgrade. */
static bool is_wanted(enum request request, const struct config *config)
{
    switch (request) {
    case REQUEST_THREAD:
        return config->recycle;
    case REQUEST_CPU_COUNT:
        return config->counts == COUNTS_QUOTA;
    default:
        return true;
    }
}

struct verdict decide_call(enum request request, const struct config *config, capabilities can)
{
    if (config->mode == MODE_PASSTHROUGH || !is_wanted(request, config))
        return (struct verdict){OUTCOME_FORWARD, REASON_NONE};
    if (!(can & 1u << request))
        return downgrade(REASON_LIBC);
    return (struct verdict){OUTCOME_MANAGED, REASON_NONE};
}

struct verdict decide_thread(const struct thread_facts *facts)
{
    if (facts->own_stack)
        return downgrade(REASON_ATTRIBUTE_STACK);
    if (facts->own_scheduling)
        return downgrade(REASON_ATTRIBUTE_SCHEDULING);
    if (facts->own_affinity)
        return downgrade(REASON_ATTRIBUTE_AFFINITY);
    if (facts->unknown_creator)
        return downgrade(REASON_CREATOR);
    if (facts->go)
        return downgrade(REASON_GO_THREAD);
    if (facts->wrapped)
        return downgrade(REASON_WRAPPED);
    if (facts->no_memory)
        return downgrade(REASON_MEMORY);
    return (struct verdict){OUTCOME_MANAGED, REASON_NONE};
}

struct process_verdict decide_process(const struct config *config, const struct process_facts *facts)
{
    /* Privilege first: nobody may learn or steer anything through the environment of a privileged program. */
    if (facts->privileged || config->mode == MODE_PASSTHROUGH)
        return (struct process_verdict){MODE_PASSTHROUGH, REASON_NONE};
    if (facts->sanitizer)
        return (struct process_verdict){MODE_PASSTHROUGH, REASON_SANITIZER};
    if (facts->recorder)
        return (struct process_verdict){MODE_PASSTHROUGH, REASON_RECORDER};
    if (facts->preempted)
        return (struct process_verdict){MODE_PASSTHROUGH, REASON_PREEMPTED};
    return (struct process_verdict){MODE_MANAGED, REASON_NONE};
}

struct program_verdict decide_program(const struct program_facts *facts)
{
    /* The first that applies is the one to act on: Go before static, because linking a Go program dynamically would
     * change little. Only what makes a foreign loader complain, or a program refuse to start, loses the preload. */
    if (facts->foreign)
        return (struct program_verdict){REASON_ARCHITECTURE, false};
    if (facts->go)
        return (struct program_verdict){REASON_GO, true};
    if (!facts->dynamic)
        return (struct program_verdict){REASON_STATIC, true};
    if (facts->musl)
        return (struct program_verdict){REASON_MUSL, false};
    if (facts->changes_identity)
        return (struct program_verdict){REASON_SETUID, true};
    if (facts->gains_capabilities)
        return (struct program_verdict){REASON_FILE_CAPABILITIES, true};
    if (facts->sanitizer)
        return (struct program_verdict){REASON_SANITIZER, false};
    return (struct program_verdict){REASON_NONE, true};
}
