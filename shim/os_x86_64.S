/* long os_call(long number, ...): up to six arguments, for x86-64 Linux (syscall(2)). */
#if __has_include(<cet.h>)
#include <cet.h>
#endif
#ifndef _CET_ENDBR
#define _CET_ENDBR
#endif

    .text
    .globl os_call
    .hidden os_call
    .type os_call, @function
    .p2align 4
os_call:
    .cfi_startproc
    _CET_ENDBR
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9 /* the caller's, if there is no sixth */
    syscall
    ret
    .cfi_endproc
    .size os_call, .-os_call

    .section .note.GNU-stack, "", @progbits
