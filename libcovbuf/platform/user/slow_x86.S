/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * covbuf_append_slow_pc() and _cmp(): keep every general register but rax, which returns the result,
 * and r11, so that clang may treat the call as preserve_most and inlined callbacks spill nothing.
 * To gcc they are ordinary functions.
 *
 * What happens at every record, and not once in an area, is done here, in those two registers: a ring has
 * room, or an area that does not grow is full. Everything else, and what looks odd, is append.c's, which
 * decides it all again from the slot and the record.
 *
 * A ring's slot is looked at before it is claimed, too. So one that is found taken after the claim was free for
 * this index, and a handler has filled it: append.c may begin anew, and no claimed slot is left behind.
 */
#if defined(__x86_64__)
#include "slow_x86.h"
#if defined(__CET__)
#include <cet.h> /* the note that this object bears it */
#endif

	.hidden	covb_alive_word
	.hidden	covb_trap_words
	.text

	/* r11: context, rax: frame on top. To 9: append.c. */
	.macro find_top
	endbr64
	movq	covb_alive_word(%rip), %rax
	movq	covbuf_tls@gottpoff(%rip), %r11
	addq	%fs:0, %r11
	cmpl	$0, (%rax)
	je	9f
	movq	COVB_ASM_TOP(%r11), %rax
	testq	%rax, %rax
	jz	9f
	.endm

	/* A ring of PCs, whose slot lies in the trap words: as covb_ring_append_pc(). To 1: no such ring. */
	.macro append_ring
	cmpl	$COVB_ASM_RING_KIND << 16 | COVB_ASM_PC << 24, COVB_ASM_ZERO(%rax) /* nor was it full */
	jne	1f
	cmpq	COVB_ASM_START(%rax), %rdi
	jne	9f
	movq	%rdi, COVB_ASM_CURSOR(%r11)
	movq	COVB_ASM_INDEX(%rax), %r11
	movq	COVB_ASM_MASK(%rax), %rdi
	andq	%r11, %rdi
	shlq	$3, %rdi
	addq	COVB_ASM_RING(%rax), %rdi
	cmpq	%r11, (%rdi)
	jne	8f
	incq	%r11
	movq	%r11, COVB_ASM_INDEX(%rax)
	decq	%r11
	cmpq	%r11, (%rdi)
	jne	8f
	movq	%rsi, (%rdi)
	leaq	covb_trap_words(%rip), %rdi
	movl	$1, %eax
	ret
8:	leaq	covb_trap_words(%rip), %rdi
	jmp	9f
	.endm

	/* A linear area that does not grow, and the slot lies in its guard words. */
	.macro count_full mode
1:	cmpw	$COVB_ASM_LINEAR | \mode << 8, COVB_ASM_KIND(%rax)
	jne	9f
	testb	$COVB_ASM_GROW_OR_FILTER, COVB_ASM_FLAGS(%rax)
	jnz	9f
	movq	COVB_ASM_END(%rax), %rax
	subq	%rax, %rdi
	cmpq	$COVB_ASM_GUARD_BYTES, %rdi
	leaq	(%rdi, %rax), %rdi
	jae	9f
	movq	%rax, COVB_ASM_CURSOR + 8 * \mode(%r11)
	movq	COVB_ASM_PRIV(%r11), %rax
	testq	%rax, %rax
	jz	9f
	movq	COVB_ASM_SLOT(%rax), %rax
	incq	COVB_ASM_LOST_FULL(%rax)
	xorl	%eax, %eax
	ret
	.endm

	.macro call_c target
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
	.endm

	.globl	covbuf_append_slow_pc
	.type	covbuf_append_slow_pc, @function
	.p2align 6
covbuf_append_slow_pc:
	.cfi_startproc
	find_top
	append_ring
	count_full COVB_ASM_PC
9:	call_c	covb_append_slow_pc
	.cfi_endproc
	.size	covbuf_append_slow_pc, . - covbuf_append_slow_pc

	.globl	covbuf_append_slow_cmp
	.type	covbuf_append_slow_cmp, @function
	.p2align 6
covbuf_append_slow_cmp:
	.cfi_startproc
	find_top
	count_full COVB_ASM_CMP
9:	call_c	covb_append_slow_cmp
	.cfi_endproc
	.size	covbuf_append_slow_cmp, . - covbuf_append_slow_cmp
#endif
	.section .note.GNU-stack, "", @progbits
