/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/linkage.h>

	.text
SYM_CODE_START(_start)
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	andq	$-16, %rsp
	call	spawner_main
	ud2
SYM_CODE_END(_start)

/* (spawner, stack): on another stack, since that of the spawner goes. */
SYM_CODE_START(stub_start)
	xorl	%ebp, %ebp
	movq	%rsi, %rsp
	call	stub_main
	ud2
SYM_CODE_END(stub_start)

/* Where a signal handler returns to: rt_sigreturn(2). */
SYM_CODE_START(stub_restorer)
	movl	$15, %eax
	syscall
	ud2
SYM_CODE_END(stub_restorer)
