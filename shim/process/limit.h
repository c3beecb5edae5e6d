/* Which limit made the system refuse a new process or thread. */
#ifndef UNIRUN_SHIM_PROCESS_LIMIT_H
#define UNIRUN_SHIM_PROCESS_LIMIT_H

#include <stddef.h>

enum { LIMIT_TEXT = 160 };

/* Writes what is known of the limit behind `error` (EAGAIN or ENOMEM), such as "RLIMIT_NPROC is 20"; nothing where
 * nothing is known. Opens up to twenty files. Context: as fork; not in a signal handler. Keeps errno, is no
 * cancellation point. */
void limit_describe(int error, char text[LIMIT_TEXT]);

#endif
