/* The files of a domain: in /dev/shm, its user's alone. */
#ifndef UNIRUN_SHIM_DOMAIN_FILE_H
#define UNIRUN_SHIM_DOMAIN_FILE_H

#include <stdbool.h>

struct stat;

enum { DOMAIN_NAME_MOST = 64, DOMAIN_FILE_PATH = DOMAIN_NAME_MOST + 96 };

/* "/dev/shm/unirun-KIND.VERSION.UID.NAMESPACE.NAME". Process ids mean something only among the processes that share
 * them, and so does much of what the files say. False: the name is too long. */
bool domain_file_name(char path[DOMAIN_FILE_PATH], const char *kind, unsigned version, const char *name);

/* Opens it; `flags` as for open(2). A descriptor, or -1: it is not there, or somebody else can have put it there, or
 * can write it. Context: any. Keeps errno. */
int domain_file_open(const char *path, int flags, struct stat *file);

#endif
