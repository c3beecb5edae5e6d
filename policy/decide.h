/* May this be managed? Facts and configuration in, a verdict with its reason out.
 *
 * Pure and deterministic: the same facts give the same verdict in every process, which is what makes a log line
 * reproducible. Three questions, from the outside in: a program before it starts, a process when it starts, a call. */
#ifndef UNIRUN_POLICY_DECIDE_H
#define UNIRUN_POLICY_DECIDE_H

#include <stdbool.h>

#include "policy/config.h"
#include "policy/reason.h"

/* ---- a call ---- */

/* What a call asks for. */
enum request {
    REQUEST_THREAD,    /* a new thread: pthread_create, thrd_create */
    REQUEST_PROCESS,   /* a new process: fork, vfork, posix_spawn, daemon */
    REQUEST_CPU_COUNT, /* how many CPUs are online: sysconf, get_nprocs */
    REQUESTS
};

/* What can be managed with this libc and kernel; a bit 1 << REQUEST_x each. */
typedef unsigned capabilities;

enum outcome {
    OUTCOME_FORWARD,   /* to libc, as the settings ask: nothing to say */
    OUTCOME_MANAGED,   /* to the managed implementation */
    OUTCOME_DOWNGRADE, /* to libc, although it should have been managed: `reason` says why */
};

struct verdict {
    enum outcome outcome;
    enum reason reason; /* REASON_NONE unless OUTCOME_DOWNGRADE */
};

/* The verdict on one call of a managed process. */
struct verdict decide_call(enum request request, const struct config *config, capabilities can);

/* What is known of one new thread. */
struct thread_facts {
    bool own_stack;       /* attributes: a stack of the program's */
    bool own_scheduling;  /* attributes: explicit scheduling */
    bool own_affinity;    /* attributes: a CPU set */
    bool unknown_creator; /* what it inherits cannot be told */
    bool go;              /* there is Go code in the process */
    bool wrapped;         /* another library has a part in making it */
    bool no_memory;       /* for its record */
};

/* The verdict on a new thread, where REQUEST_THREAD is managed as such. */
struct verdict decide_thread(const struct thread_facts *facts);

/* ---- a process ---- */

/* What the shim finds around itself at start-up. */
struct process_facts {
    bool privileged; /* AT_SECURE: the environment is not the user's to set */
    bool sanitizer;  /* a sanitizer runtime is loaded */
    bool recorder;   /* rr, DMTCP or a race checker watches the process */
    bool preempted;  /* pthread_create is bound to something before us */
};

struct process_verdict {
    enum mode mode;
    enum reason reason; /* why managed mode was asked for and not given; REASON_NONE otherwise */
};

/* The mode of a process. Passthrough that the user asked for, that privilege demands, or that a refused mode
 * leads to (which has a line of its own) has no reason: nothing more is said of it. */
struct process_verdict decide_process(const struct config *config, const struct process_facts *facts);

/* ---- a program ---- */

/* What the launcher reads off a program file and its surroundings. */
struct program_facts {
    bool foreign;            /* another ELF class or machine than ours */
    bool dynamic;            /* has a program interpreter */
    bool musl;               /* and it is musl's */
    bool go;                 /* made by the Go linker */
    bool sanitizer;          /* a sanitizer runtime is linked in or needed */
    bool changes_identity;   /* set-user-ID or set-group-ID, to an identity other than the caller's, and honoured */
    bool gains_capabilities; /* file capabilities that the caller does not have, and honoured */
};

struct program_verdict {
    enum reason reason; /* REASON_NONE: the shim will see the program */
    bool keep_preload;  /* whether the preload stays in the environment: false where it would do harm there */
};

/* What becomes of a program under the preload. A program that merely never sees the shim keeps the preload for the
 * programs that it starts; one that would fail or complain because of it does not. */
struct program_verdict decide_program(const struct program_facts *facts);

#endif
