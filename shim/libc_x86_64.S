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

    .section .note.GNU-stack, "", @progbits
