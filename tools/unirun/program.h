/* What execve() would start: the file behind a command's name, and the interpreters behind a script. */
#ifndef UNIRUN_TOOLS_PROGRAM_H
#define UNIRUN_TOOLS_PROGRAM_H

#include <stddef.h>

/* A script, its interpreter, that one's interpreter and so on; Linux follows five. `env` counts once more, for it
 * starts the program that it is given. */
enum { PROGRAM_CHAIN = 6 };

struct program {
    char *path[PROGRAM_CHAIN]; /* allocated; the last is the one that runs in the end */
    size_t count;
};

/* The file that execvp() would take for `name`. Allocated; NULL with errno where there is none. */
char *program_find(const char *name);

/* Follows the file at `path`, which is the first of the chain. A file that cannot be read ends it. */
void program_follow(const char *path, struct program *program);
void program_free(struct program *program);

#endif
