/* The UNIRUN_* settings in the environment of the program that is about to run: from options, env files and the caller.
 * What is set here goes into this process's own environment. */
#ifndef UNIRUN_TOOLS_SETTINGS_H
#define UNIRUN_TOOLS_SETTINGS_H

#include <stdbool.h>

#include "policy/config.h"

/* Sets NAME to `value` in the environment, which an option asked for. Ends the process with one line that names
 * `option` where the value is refused. */
void settings_set(const char *option, const char *name, const char *value);

/* The same for "NAME=VALUE". */
void settings_set_pair(const char *option, const char *pair);

/* Puts the variables of an env file into the environment, except those that it has. A line that cannot be read ends the
 * process before anything is set. */
void settings_read_file(const char *path);

/* Calls `each` with a sentence about every UNIRUN_* variable that is no setting; how many there are. */
unsigned settings_unknown(void (*each)(const char *sentence, void *data), void *data);

#endif
