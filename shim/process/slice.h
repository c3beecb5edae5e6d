/* The kernel's time slices of the calling thread (sched_setattr(2), Linux 6.12): a program that computes is switched
 * less often if it gets longer ones, and has as much of the CPU as ever. */
#ifndef UNIRUN_SHIM_PROCESS_SLICE_H
#define UNIRUN_SHIM_PROCESS_SLICE_H

/* Finds out whether they are long because of a parent. Once, at the start of a program. */
void slice_start(void);

/* Asks for long ones; threads and processes that the calling thread makes inherit them. */
void slice_lengthen(void);

/* Back to the kernel's own, if they are long because of us. */
void slice_restore(void);

#endif
