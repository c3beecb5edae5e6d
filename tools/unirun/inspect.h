/* What a program would bring under the shim: the libraries it loads, the runtimes among them, and which routed symbols
 * they take. Only what the loader resolves at start is seen; what a program opens later with dlopen() is not. */
#ifndef UNIRUN_TOOLS_INSPECT_H
#define UNIRUN_TOOLS_INSPECT_H

#include <jansson.h>

/* {libraries: [path], runtimes: [{name, library}], missing: [soname],
 *  symbols: {managed|forwarded|left: {symbol: [file]}}} of the dynamic glibc program at `path`. New reference. */
json_t *inspect_program(const char *path);

#endif
