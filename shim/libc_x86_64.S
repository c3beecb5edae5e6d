/* libc's functions by their names: each a jump through `libc` (libc.h). Apart, so that what is built with a sanitizer's
 * runtime can do without, and call that. */
#if __has_include(<cet.h>)
#include <cet.h>
#endif
#ifndef _CET_ENDBR
#define _CET_ENDBR
#endif

.macro function name
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    _CET_ENDBR
    jmp *libc+8*row(%rip)
    .cfi_endproc
    .size \name, .-\name
.endm

#define POINTER(name) .set row, row + 1;
#define FUNCTION(name) function name; .set row, row + 1;

    .text
    .set row, 0
#include "shim/libc.def"

/* How libc would know whose exit handlers to run and forget when a library is unloaded; this one never is. */
    .globl __dso_handle
    .hidden __dso_handle
    .type __dso_handle, @object
    .section .rodata
    .p2align 3
__dso_handle:
    .quad 0
    .size __dso_handle, .-__dso_handle

    .section .note.GNU-stack, "", @progbits
