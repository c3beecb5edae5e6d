/* The line of those in the domain who wait for a CPU to compute on, and the seats of those who have one. */
#ifndef UNIRUN_SHIM_DOMAIN_LINE_H
#define UNIRUN_SHIM_DOMAIN_LINE_H

#include "policy/admit.h"

/* Waits until the run of `program`, of which `facts` are known, may compute; then it has a seat. `program` is a number
 * that its runs have in common; 0: nobody is like it. Where there is no domain it may at once. How the wait has ended.
 * Context: a thread that is the only one of its process, or that nobody waits for; under no lock. Keeps errno,
 * is no cancellation point. */
enum admit_verdict line_wait(uint32_t program, admit_facts facts);

/* Gives the seat back, or leaves the line. Context: any, also a signal handler. Nothing in a vfork child. */
void line_leave(void);

#endif
