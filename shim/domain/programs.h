/* What earlier runs of programs have shown, kept for later ones in a file of the domain's, beside its table.
 *
 * The file is read and written, never mapped: what it says are hints. A torn or lost update, a full disk or garbage
 * cost a program a wait that it need not have had, or spare it one. Context of everything: any, also a signal handler.
 * Takes no lock, keeps no descriptor, keeps errno. */
#ifndef UNIRUN_SHIM_DOMAIN_PROGRAMS_H
#define UNIRUN_SHIM_DOMAIN_PROGRAMS_H

#include <stdint.h>

#include "policy/admit.h"

/* A program, and the children that it forks without their becoming another one. */
enum kind { KIND_PROGRAM, KIND_CHILD, KINDS };

/* A descriptor of the file, for programs_find(), which leaves it open; -1: there is none. */
int programs_open(void);

/* What is known of both kinds. 0 is no program. */
void programs_find(int fd, uint64_t program, admit_facts facts[KINDS]);

/* Remembers a run of the one of them. */
void programs_learn(uint64_t program, enum kind kind, const struct admit_run *run);

#endif
