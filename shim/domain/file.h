/* The files of a domain: in /dev/shm, its user's alone. */
#ifndef UNIRUN_SHIM_DOMAIN_FILE_H
#define UNIRUN_SHIM_DOMAIN_FILE_H

#include <stdbool.h>

struct stat;

enum { DOMAIN_NAME_MOST = 64, DOMAIN_FILE_PATH = DOMAIN_NAME_MOST + 96 };

/* "/dev/shm/unirun-VERSION.UID.NAMESPACE.NAME", of the table: process ids mean something only among the processes that
 * share them. And "/dev/shm/unirun-programs-VERSION.UID.NAME", whose programs are others' as well. False: the name is
 * too long. */
bool domain_table_name(char path[DOMAIN_FILE_PATH], unsigned version, const char *name);
bool domain_programs_name(char path[DOMAIN_FILE_PATH], unsigned version, unsigned uid, const char *name);

/* Opens it, or what is in its place; `flags` as for open(2). A descriptor, or -1. Context: any. Keeps errno. */
int domain_file_open(const char *path, int flags);

/* Whether the file is the user's alone: nobody else can have put it there, or can write it; with what fstat(2) says of
 * it. To be asked before anything is believed that stands in it. Context: any. Keeps errno. */
bool domain_file_is_ours(int fd, struct stat *file);

#endif
