/* Admission: a program starts when there is memory for what it is known, or its running siblings seem, to need; and one
 * that is known to compute, when there is a CPU for it.
 *
 * It is the program itself that waits, before its main function or, in a child that was forked, before fork returns:
 * nobody else is held up, and what waits takes hardly any memory. Who is let in takes a seat, a row in the domain's
 * table, until it ends. The first in line looks after those who sit: a seat whose holder sleeps, is stopped or has died
 * is free. What a program is known for, its runs have told when they ended (domain/programs.h). */
#ifndef UNIRUN_SHIM_PROCESS_ADMISSION_H
#define UNIRUN_SHIM_PROCESS_ADMISSION_H

#include <stdbool.h>

/* The program begins. Context: our constructor, in managed mode. */
void admission_start(char *const *argv);

/* Around fork(3): in the parent before it, and in the child when everything else of ours is done. */
void admission_before_fork(void);
void admission_in_child(void);

/* The calling thread is about to make a process in another way: what this program has of the kernel for its own is not
 * its child's. Context: any. */
void admission_before_spawn(void);

/* The program ends, or becomes another one: what the run has shown is remembered, and its seat is free. Context: any,
 * also a signal handler. Nothing in a vfork child. */
void admission_end(bool becomes_another);

/* From now on no system call is made here: the process may no longer. */
void admission_stop(void);

#endif
