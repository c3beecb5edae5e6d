/* What C cannot say, for x86-64 with the System V ABI. Nothing else in the shim depends on the machine's instruction
 * set, but for the jumps of libc_x86_64.S and the system call of os_x86_64.S.
 *
 * The exported functions that C cannot forward (STUB rows): a stub is one indirect jump, so the call frame, the variadic
 * arguments and, for vfork, the return address on the stack that parent and child share are the caller's own all the way
 * into libc. And the tables that calls go through, with what is in them until a row is known. */
#if __has_include(<cet.h>)
#include <cet.h>
#endif
#ifndef _CET_ENDBR
#define _CET_ENDBR
#endif

    .text

/* name    the exported function: jmp *calls[row] */
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

/* What a table holds for rows that are not known yet: a jump for each, all of one size, that passes the row's number on
 * to the table's finder. On entry of that, the number is on the stack, above the return address. `find` is called as
 * find(row, return address), and where it says the call goes. */
    .set JUMP, 16
.macro jumps table, find, count
    .type find_\table, @function
    .p2align 4
find_\table:
    .cfi_startproc
    .cfi_def_cfa_offset 16
    save_arguments
    mov (17*8 + 8*16)(%rsp), %edi
    mov (18*8 + 8*16)(%rsp), %rsi
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    call \find
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    mov %rax, %r11
    restore_arguments
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    jmp *%r11
    .cfi_endproc
    .size find_\table, .-find_\table

    .type jumps_\table, @function
    .p2align 4
jumps_\table:
    .cfi_startproc
    .set number, 0
    .rept \count
    _CET_ENDBR
    push $number
    .cfi_def_cfa_offset 16
    jmp find_\table
    .cfi_def_cfa_offset 8
    .set number, number + 1
    .org jumps_\table + JUMP * number, 0xcc /* refused where one was longer */
    .endr
    .cfi_endproc
    .size jumps_\table, .-jumps_\table
.endm

/* The table itself: `count` rows, and `empty` more that hold nothing. */
.macro table name, count, empty
    .globl \name
    .hidden \name
    .type \name, @object
    .p2align 3
\name:
    .set number, 0
    .rept \count
    .quad jumps_\name + JUMP * number
    .set number, number + 1
    .endr
    .fill \empty, 8, 0
    .size \name, .-\name
.endm

/* The rows, counted as the tables of switchboard.h are; those of LIBC first. */
#define IF_FORWARD(name)
#define IF_MANAGED(name) managed_stub name
#define OF_LIBC .set libc_rows, libc_rows + 1;
#define OF_LIBGOMP
#define SHIM(provider, family, name, versions, ret, params, args, route) .set row, row + 1; OF_##provider
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) .set row, row + 1; OF_##provider
#define STUB(provider, family, name, versions, route) stub name; IF_##route(name); .set row, row + 1; OF_##provider

    .set row, 0
    .set libc_rows, 0
#include "shim/switchboard/symbols.def"
#undef IF_FORWARD
#undef IF_MANAGED

/* The rows of libc.h. */
#define POINTER(name) .set bound_rows, bound_rows + 1;
#define FUNCTION(name) .set bound_rows, bound_rows + 1;

    .set bound_rows, 0
#include "shim/libc.def"

    jumps calls, switchboard_early, row
    jumps real, switchboard_bind, libc_rows
    jumps libc, libc_bind, bound_rows

/* Where managed mode sends each row, as the distance from the table: the loader has nothing to relocate. 0: on to libc. */
#define IF_FORWARD(name) .long 0
#define IF_MANAGED(name) .long managed_##name - managed
#define SHIM(provider, family, name, versions, ret, params, args, route) IF_##route(name);
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route) IF_##route(id);
#define STUB(provider, family, name, versions, route) IF_##route(name);

    .section .rodata
    .globl managed
    .hidden managed
    .type managed, @object
    .p2align 2
managed:
#include "shim/switchboard/symbols.def"
    .size managed, .-managed

    .data
    table calls, row, 0
    table real, libc_rows, (row-libc_rows)
    table libc, bound_rows, 0
    .text

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
