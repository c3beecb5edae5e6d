/* The facts about a program file that decide whether the shim can be with it. */
#ifndef UNIRUN_TOOLS_FACTS_H
#define UNIRUN_TOOLS_FACTS_H

#include "policy/decide.h"
#include "tools/unirun/program.h"

/* Reads the facts of the ELF file at `path`, as they are for the user who runs this command. Returns false for a file
 * that is no ELF file, of which there is nothing to say. */
bool facts_read(const char *path, struct program_facts *facts);

/* The verdict on a chain of programs: that on the first which is not plain. `*at` is its index. */
struct program_verdict facts_judge(const struct program *program, size_t *at);

#endif
