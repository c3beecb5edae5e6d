/* Turns: what a program does before its team runs and after, so that teams share the CPUs of a domain (policy/turn.h).
 *
 * Entering a region is a count and a load while nothing has changed. Otherwise the thread looks at the table: alone its
 * waits spin as ever; beside others they are made short; and where all who want the CPUs have regions too short for
 * that, they take turns, of which each lasts a quantum. The running side hands its turn on at the end of a region, to
 * the next one only; the next one watches the clock, and takes what the others do not use. Every wait is bounded. */
#ifndef UNIRUN_SHIM_TEAM_TURN_H
#define UNIRUN_SHIM_TEAM_TURN_H

#include <stdbool.h>

#include "policy/turn.h"
#include "shim/switchboard/switchboard.h"

/* The threads of a region that is about to begin. */
struct gang {
    unsigned size;
    bool is_malleable; /* any smaller size will do as well */
    enum turn_waits waits;
    enum symbol call; /* for the log, as the next one */
    const void *caller;
};

/* Waits until the gang may run. A malleable one gets the size that is its share now. Whether turn_leave() is owed when
 * it has run: not where the thread is in a gang already, be it another runtime's. Context: any thread, under no lock.
 * Keeps errno, is no cancellation point. */
bool turn_enter(struct gang *gang);
void turn_leave(void);

/* Whether waits of our teams are to be short now. Context: after turn_enter(). */
bool turn_gives_way(void);

/* The calling thread ends, or begins anew: it is in no region any more, however it has left. */
void turn_abandon(void);

/* This program ends here, or becomes another one: its row goes. Nothing in a vfork child. Context: any, also a signal
 * handler. */
void turn_quit(void);

/* From now on no gang of this process waits for a turn: it may no longer make the system calls. */
void turn_stop(void);

#endif
