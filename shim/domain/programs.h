/* What earlier runs of programs have shown, kept for later ones in a file of the domain's, beside its table.
 *
 * The file is read and written, never mapped: what it says are hints. A torn or lost update, a full disk or garbage
 * cost a program a wait that it need not have had, or spare it one. Context of everything: any, also a signal handler.
 * Takes no lock, keeps no descriptor, keeps errno. */
#ifndef UNIRUN_SHIM_DOMAIN_PROGRAMS_H
#define UNIRUN_SHIM_DOMAIN_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/admit.h"

/* A program, and the children that it forks without their becoming another one. */
enum kind { KIND_PROGRAM, KIND_CHILD, KINDS };

/* What is known of both. False: there is no file, or none that can be trusted; then nothing is. */
bool programs_find(uint64_t program, admit_facts facts[KINDS]);

/* Remembers a run of the one of them. */
void programs_learn(uint64_t program, enum kind kind, const struct admit_run *run);

#endif
