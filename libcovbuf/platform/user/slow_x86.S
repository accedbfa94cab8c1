/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * covbuf_append_slow_pc() and _cmp(): keep every general register but rax, which returns the result,
 * and r11, so that clang may treat the call as preserve_most and inlined callbacks spill nothing.
 * To gcc they are ordinary functions.
 */
#if defined(__x86_64__)
	.text

	.macro thunk name, target
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	andq	$-16, %rsp
	call	\target
	leaq	-56(%rbp), %rsp
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	thunk	covbuf_append_slow_pc, covb_append_slow_pc
	thunk	covbuf_append_slow_cmp, covb_append_slow_cmp
#endif
	.section .note.GNU-stack, "", @progbits
