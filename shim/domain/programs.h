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

/* A descriptor of the file, which is made if it is not there, for the calls that take one and leave it open; -1: there
 * is none. */
int programs_open(void);

/* What is known of both kinds. 0 is no program. */
void programs_find(int fd, uint64_t program, admit_facts facts[KINDS]);

/* Notes that this process runs the program now, from `now` on, in milliseconds of CLOCK_BOOTTIME. Returns the place of
 * the note, for programs_quit(); -1: there is none left. `*siblings` is how many others of the program there are.
 *
 * Nobody has to quit who ends: a note of a process that is gone is nothing. But who becomes another program has to. */
enum { PROGRAMS_RUNS = 8 };
int programs_enter(int fd, uint64_t program, uint32_t pid, uint32_t now, unsigned *siblings);
void programs_quit(uint64_t program, uint32_t pid, int place);

/* Who has noted that it runs the program and may still do so, but for `pid`. */
struct programs_run {
    uint64_t program;
    uint32_t pid;
    uint32_t begun;
};
unsigned programs_runs(int fd, uint64_t program, uint32_t pid, struct programs_run runs[PROGRAMS_RUNS]);

/* Remembers a run of the one of them. */
void programs_learn(uint64_t program, enum kind kind, const struct admit_run *run);

#endif
