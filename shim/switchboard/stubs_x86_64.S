/* The exported functions that C cannot forward (STUB rows), for x86-64 with the System V ABI. Nothing else in the shim
 * depends on the machine's instruction set.
 *
 * A stub is one indirect jump, so the call frame, the variadic arguments and, for vfork, the return address on the stack
 * that parent and child share are the caller's own all the way into libc. */
#if __has_include(<cet.h>)
#include <cet.h>
#endif
#ifndef _CET_ENDBR
#define _CET_ENDBR
#endif

    .text

/* name    the exported function: jmp *calls[row]
 * early   what calls[row] holds until start-up: asks switchboard_early() where to go */
.macro stub name
    .globl \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    _CET_ENDBR
    jmp *calls+8*row(%rip)
    .cfi_endproc
    .size \name, .-\name

    .globl early_\name
    .hidden early_\name
    .type early_\name, @function
    .p2align 4
early_\name:
    .cfi_startproc
    _CET_ENDBR
    push $row
    .cfi_adjust_cfa_offset 8
    jmp early
    .cfi_endproc
    .size early_\name, .-early_\name
.endm

/* managed what calls[row] holds in managed mode: before_<name>(registers), then on to real[row] */
.macro managed_stub name
    .globl managed_\name
    .hidden managed_\name
    .type managed_\name, @function
    .p2align 4
managed_\name:
    .cfi_startproc
    _CET_ENDBR
    save_arguments
    mov %rsp, %rdi
    call before_\name
    restore_arguments
    jmp *real+8*row(%rip)
    .cfi_endproc
    .size managed_\name, .-managed_\name
.endm

/* The stack afterwards, from the top: a struct call_registers (six arguments; the word behind them is filled in with the
 * return address; and up to the arguments on the stack, which it ends with), r10, rax, xmm0-7. 8 mod 16 at entry, so an odd number of words aligns it. rax: the count of vector
 * registers in a variadic call. */
.macro save_arguments
    sub $(17*8 + 8*16), %rsp
    .cfi_adjust_cfa_offset (17*8 + 8*16)
    mov %rdi, 0*8(%rsp)
    mov %rsi, 1*8(%rsp)
    mov %rdx, 2*8(%rsp)
    mov %rcx, 3*8(%rsp)
    mov %r8, 4*8(%rsp)
    mov %r9, 5*8(%rsp)
    mov %r10, 7*8(%rsp)
    mov %rax, 8*8(%rsp)
    movups %xmm0, 10*8+0*16(%rsp)
    movups %xmm1, 10*8+1*16(%rsp)
    movups %xmm2, 10*8+2*16(%rsp)
    movups %xmm3, 10*8+3*16(%rsp)
    movups %xmm4, 10*8+4*16(%rsp)
    movups %xmm5, 10*8+5*16(%rsp)
    movups %xmm6, 10*8+6*16(%rsp)
    movups %xmm7, 10*8+7*16(%rsp)
    mov (17*8 + 8*16)(%rsp), %r11
    mov %r11, 6*8(%rsp)
.endm

.macro restore_arguments
    mov 0*8(%rsp), %rdi
    mov 1*8(%rsp), %rsi
    mov 2*8(%rsp), %rdx
    mov 3*8(%rsp), %rcx
    mov 4*8(%rsp), %r8
    mov 5*8(%rsp), %r9
    mov 7*8(%rsp), %r10
    mov 8*8(%rsp), %rax
    movups 10*8+0*16(%rsp), %xmm0
    movups 10*8+1*16(%rsp), %xmm1
    movups 10*8+2*16(%rsp), %xmm2
    movups 10*8+3*16(%rsp), %xmm3
    movups 10*8+4*16(%rsp), %xmm4
    movups 10*8+5*16(%rsp), %xmm5
    movups 10*8+6*16(%rsp), %xmm6
    movups 10*8+7*16(%rsp), %xmm7
    add $(17*8 + 8*16), %rsp
    .cfi_adjust_cfa_offset -(17*8 + 8*16)
.endm

/* On entry the row's number is on the stack, above the return address. */
    .type early, @function
    .p2align 4
early:
    .cfi_startproc
    .cfi_def_cfa_offset 16
    save_arguments
    mov (17*8 + 8*16)(%rsp), %edi
    mov (18*8 + 8*16)(%rsp), %rsi
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    call switchboard_early
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    mov %rax, %r11
    restore_arguments
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    jmp *%r11
    .cfi_endproc
    .size early, .-early

/* The rows, counted as the tables of switchboard.h are. */
#define IF_FORWARD(name)
#define IF_MANAGED(name) managed_stub name
#define SHIM(provider, family, name, versions, ret, params, args, route) .set row, row + 1;
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) .set row, row + 1;
#define STUB(provider, family, name, versions, route) stub name; IF_##route(name); .set row, row + 1;

    .set row, 0
#include "shim/switchboard/symbols.def"

/* void fpu_read(struct fpu_control *), void fpu_write(const struct fpu_control *): MXCSR and the x87 control word, and the x87 status word, which
 * a thread inherits. The rest of the x87 state is new in a new thread. */
    .globl fpu_read
    .hidden fpu_read
    .type fpu_read, @function
fpu_read:
    .cfi_startproc
    stmxcsr (%rdi)
    fnstcw 4(%rdi)
    fnstsw 6(%rdi)
    ret
    .cfi_endproc
    .size fpu_read, .-fpu_read

    .globl fpu_write
    .hidden fpu_write
    .type fpu_write, @function
fpu_write:
    .cfi_startproc
    ldmxcsr (%rdi)
    fninit
    fldcw 4(%rdi)
    testb $0x7f, 6(%rdi)
    jne 1f
    ret
1:  sub $40, %rsp /* exception flags can be set only with the whole environment */
    .cfi_adjust_cfa_offset 40
    fnstenv (%rsp)
    movzbl 6(%rdi), %eax
    and $0x7f, %eax
    or %ax, 4(%rsp)
    fldenv (%rsp)
    add $40, %rsp
    .cfi_adjust_cfa_offset -40
    ret
    .cfi_endproc
    .size fpu_write, .-fpu_write

    .section .note.GNU-stack, "", @progbits
