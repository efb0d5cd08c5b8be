/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_SECCOMP_H
#define _ASM_LKL_SECCOMP_H
#include <machine.h>
#include <uapi/linux/audit.h>

/* Programs number their calls as x86-64 does, not as <asm/unistd.h>. */
#define __NR_seccomp_read	0
#define __NR_seccomp_write	1
#define __NR_seccomp_exit	60
#define __NR_seccomp_sigreturn	15

#define SECCOMP_ARCH_NATIVE		LKL_MACHINE_AUDIT_ARCH
#define SECCOMP_ARCH_NATIVE_NR		463	/* numbers there are, at most */
#define SECCOMP_ARCH_NATIVE_NAME	"x86_64"
#endif
