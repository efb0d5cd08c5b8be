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

/*
 * (start, length, filter): unmap that range, in which the stack lies, install the
 * filter, and trap, which is no error. All of it is in registers: there is no memory
 * left that can be written and is not shared with programs. A host that does not let
 * its vDSO be unmapped unmaps nothing, which does no harm.
 */
SYM_CODE_START(stub_seal)
	movl	$11, %eax		/* munmap(2) */
	syscall
	movl	$317, %eax		/* seccomp(2) */
	movl	$1, %edi		/* SECCOMP_SET_MODE_FILTER */
	xorl	%esi, %esi
	syscall
	testq	%rax, %rax
	jnz	1f
	int3
1:	movl	$231, %eax		/* exit_group(2) */
	movl	$3, %edi
	syscall
	ud2
SYM_CODE_END(stub_seal)

/* Where a signal handler returns to: rt_sigreturn(2). */
SYM_CODE_START(stub_restorer)
	movl	$15, %eax
	syscall
	ud2
SYM_CODE_END(stub_restorer)
