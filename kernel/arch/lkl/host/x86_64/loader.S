/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/linkage.h>

	.text
/* The kernel is to find the stack as the host has made it for this program. */
SYM_CODE_START(_start)
	xorl	%ebp, %ebp
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call	lkl_load
	movq	%rbx, %rsp
	jmp	*%rax
SYM_CODE_END(_start)
