/* Turns: gangs of the domain run side by side while the CPUs suffice for all, one after the other where they do not.
 *
 * A gang keeps the CPUs for at least a quantum, then hands them over between two parallel regions. The running side
 * does no more than to count its regions: it is those who wait that watch the clock, pass the turn on, and take what
 * the others do not use (a member between regions, stopped, or dead). Every wait is bounded; then the gang runs anyway.
 */
#ifndef UNIRUN_SHIM_DOMAIN_TURN_H
#define UNIRUN_SHIM_DOMAIN_TURN_H

#include <stdbool.h>

#include "shim/switchboard/switchboard.h"

/* The threads of a region that is about to begin. */
struct gang {
    unsigned size;
    bool is_malleable; /* any smaller size will do as well */
    enum symbol call;  /* for the log, as the next one */
    const void *caller;
};

/* Waits until the gang may run. A malleable one gets the size that is its share now. Whether turn_leave() is owed when
 * it has run: not where the thread is in a gang already, be it another runtime's. Context: any thread, under no lock.
 * Keeps errno, is no cancellation point. */
bool turn_enter(struct gang *gang);
void turn_leave(void);

/* The calling thread ends, or begins anew: it is in no region any more, however it has left. */
void turn_abandon(void);

/* This program ends here, or becomes another one: its row goes. Nothing in a vfork child. Context: any, also a signal
 * handler. */
void turn_quit(void);

/* From now on no gang of this process waits for a turn: it may no longer make the system calls. */
void turn_stop(void);

#endif
