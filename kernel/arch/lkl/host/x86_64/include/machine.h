/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86-64 host. Another host needs this header, Makefile.flags, start.S,
 * switch.S and string.S of its own, and nothing else.
 */
#ifndef _LKL_MACHINE_H
#define _LKL_MACHINE_H

/* The linker script and <asm/elf.h> */
#define LKL_MACHINE_OUTPUT_FORMAT	"elf64-x86-64"
#define LKL_MACHINE_OUTPUT_ARCH	i386:x86-64
#define LKL_MACHINE_ELF		EM_X86_64
#define LKL_MACHINE_AUDIT_ARCH	AUDIT_ARCH_X86_64
#define LKL_MACHINE_HWCAP2_FSGSBASE	2	/* user space may use rdfsbase */
#define LKL_MACHINE_VDSO_GETTIME	"__vdso_clock_gettime"

#ifndef __ASSEMBLY__

/* Numbers of the host's system calls */
#define LKL_HOST_write		1
#define LKL_HOST_close		3
#define LKL_HOST_mmap		9
#define LKL_HOST_mprotect	10
#define LKL_HOST_rt_sigaction	13
#define LKL_HOST_pread64	17
#define LKL_HOST_pwrite64	18
#define LKL_HOST_madvise	28
#define LKL_HOST_recvmsg	47
#define LKL_HOST_getppid	110
#define LKL_HOST_sigaltstack	131
#define LKL_HOST_prctl		157
#define LKL_HOST_futex		202
#define LKL_HOST_restart_syscall	219
#define LKL_HOST_clock_gettime	228
#define LKL_HOST_exit_group	231
#define LKL_HOST_unshare	272
#define LKL_HOST_fallocate	285
#define LKL_HOST_seccomp	317
#define LKL_HOST_preadv2	327
#define LKL_HOST_pwritev2	328
#define LKL_HOST_close_range	436
#define LKL_HOST_landlock_create_ruleset	444
#define LKL_HOST_landlock_restrict_self	446

static inline long lkl_host_syscall(long nr, long a, long b, long c,
				    long d, long e, long f)
{
	long ret;
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (nr), "D" (a), "S" (b), "d" (c),
		       "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

/* A hint that this is a busy wait. */
static inline void lkl_host_pause(void)
{
	asm volatile("pause" ::: "memory");
}

static inline unsigned long lkl_host_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

/* What switch.S pops when a task runs for the first time. */
struct lkl_machine_frame {
	unsigned long r15, r14, r13;
	unsigned long arg;		/* r12 */
	unsigned long fn;		/* rbx */
	unsigned long rbp;
	unsigned long entry;
	unsigned long pad[2];		/* the stack is 16-aligned at entry */
};

/* The host's struct sigaction for rt_sigaction(2). */
struct lkl_machine_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

#define LKL_MACHINE_SA_FLAGS	0x04000000	/* SA_RESTORER: never used, wanted */

/* The program counter, from the third argument of a signal handler. */
static inline unsigned long lkl_machine_fault_pc(const void *ucontext)
{
	const unsigned long *gregs = ucontext + 40;

	return gregs[16];
}

#endif /* __ASSEMBLY__ */
#endif
