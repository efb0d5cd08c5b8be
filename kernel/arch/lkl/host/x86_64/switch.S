/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/linkage.h>

	.text
/*
 * struct task_struct *lkl_machine_switch(prev, &prev->thread.sp, next->thread.sp)
 *
 * A function call, so only what a callee must keep is saved; that is no SSE
 * register. Returns prev, on the stack of next.
 */
SYM_CODE_START(lkl_machine_switch)
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rsi)
	movq	%rdx, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	movq	%rdi, %rax
	ret
SYM_CODE_END(lkl_machine_switch)

/* The first run of a task: see struct lkl_machine_frame; prev is in rax. */
SYM_CODE_START(lkl_machine_first)
	movq	%rax, %rdi
	call	schedule_tail
	movq	%r12, %rdi
	call	*%rbx
	call	lkl_userspace		/* it has become a program, or its parent is one */
	ud2
SYM_CODE_END(lkl_machine_first)

/*
 * int lkl_machine_save(unsigned long context[8]): 0; and 1 where
 * lkl_machine_restore(context) goes on, as setjmp(3) and longjmp(3).
 */
SYM_CODE_START(lkl_machine_save)
	movq	%rbx, (%rdi)
	movq	%rbp, 8(%rdi)
	movq	%r12, 16(%rdi)
	movq	%r13, 24(%rdi)
	movq	%r14, 32(%rdi)
	movq	%r15, 40(%rdi)
	leaq	8(%rsp), %rax
	movq	%rax, 48(%rdi)
	movq	(%rsp), %rax
	movq	%rax, 56(%rdi)
	xorl	%eax, %eax
	ret
SYM_CODE_END(lkl_machine_save)

SYM_CODE_START(lkl_machine_restore)
	movq	(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	48(%rdi), %rsp
	movl	$1, %eax
	jmp	*56(%rdi)
SYM_CODE_END(lkl_machine_restore)
