/* A program file that is about to be executed: will the shim be in it? */
#ifndef UNIRUN_SHIM_PROCESS_PROGRAM_H
#define UNIRUN_SHIM_PROCESS_PROGRAM_H

#include <stddef.h>

#include "policy/decide.h"

enum { PROGRAM_PATH = 1024 };

/* Finds `file` as execvp(3) does. False: there is none, or its path is too long. */
bool program_find(const char *file, char path[PROGRAM_PATH]);

/* What decides it; of a script, for its interpreter. False: it cannot be told, because there is no such file, or it
 * cannot be read. Context: any, also a vfork child: nothing is written that outlives the call. Takes no lock, keeps
 * errno, is no cancellation point. */
bool program_read(const char *path, struct program_facts *facts);

#endif
