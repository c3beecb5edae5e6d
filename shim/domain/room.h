/* The line of those in the domain who wait for memory, and what those who run will still take. */
#ifndef UNIRUN_SHIM_DOMAIN_ROOM_H
#define UNIRUN_SHIM_DOMAIN_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/admit.h"

struct room_request {
    uint64_t program;
    admit_facts facts;
    unsigned siblings; /* that have noted that they run (programs.h), */
    bool is_noted;     /* as this one has */
};

/* How it went: the verdict, and if it had to wait, for how much memory, when so much was available, and how long. */
struct room_result {
    enum admit_verdict verdict;
    unsigned need, available, waited_ms;
    bool is_guess; /* nothing was known of the program when it came */
};

/* Waits until there is memory for the run, which is then among those who run. Where there is no domain it starts at
 * once. Context: as line_wait(), with ROOM_STACK of stack. */
enum { ROOM_STACK = 16384 };
void room_wait(const struct room_request *request, struct room_result *result);

/* It needs none any more, or leaves the line. Context: any, also a signal handler. Nothing in a vfork child. */
void room_leave(void);

#endif
