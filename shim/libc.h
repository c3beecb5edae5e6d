/* libc's functions that we call and that are no function of ours (libc.def). */
#ifndef UNIRUN_SHIM_LIBC_H
#define UNIRUN_SHIM_LIBC_H

#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* Valid as soon as our relocations are done: a pointer that has not been used yet leads to libc_bind(). */
struct libc {
#define POINTER(name) __typeof__(name) *name;
#define FUNCTION(name) void *name;
#include "shim/libc.def"
};
extern struct libc libc __attribute__((visibility("hidden")));

/* Finds the function of a row, which goes into `libc`, too: its address. Context: any; calls no function of libc. */
void *libc_bind(unsigned row);
void libc_bind_all(void);

#endif
