/* The way out: whole lines to the stderr that the process started with, and nowhere else. */
#ifndef UNIRUN_SHIM_REPORT_OUTPUT_H
#define UNIRUN_SHIM_REPORT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Remembers what descriptor 2 is. Context: once, at start-up. Keeps errno. */
void output_remember(void);

/* Writes `text` with one write(2), if descriptor 2 still is what it was, takes it without blocking, and is not broken.
 * Whether it was written whole (a terminal may take the beginning only). Raises no signal, is no cancellation point,
 * keeps errno. Context: any thread, a signal handler, a fork or vfork child. Takes no lock. */
bool output_write(const char *text, size_t length);

#endif
