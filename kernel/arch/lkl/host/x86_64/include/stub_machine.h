/* SPDX-License-Identifier: GPL-2.0-only */
/* The x86-64 host, for stubs. */
#ifndef _STUB_MACHINE_H
#define _STUB_MACHINE_H

#define AUDIT_ARCH		0xc000003e

#define NR_CLOSE		3
#define NR_MMAP			9
#define NR_MUNMAP		11
#define NR_RT_SIGACTION		13
#define NR_RT_SIGPROCMASK	14
#define NR_RT_SIGRETURN		15
#define NR_SETITIMER		38
#define NR_GETPID		39
#define NR_FORK			57
#define NR_WAIT4		61
#define NR_KILL			62
#define NR_GETPPID		110
#define NR_SIGALTSTACK		131
#define NR_PRCTL		157
#define NR_ARCH_PRCTL		158
#define NR_FUTEX		202
#define NR_EXIT_GROUP		231
#define NR_UNSHARE		272
#define NR_PRLIMIT64		302
#define NR_SECCOMP		317
#define NR_CLOSE_RANGE		436
#define NR_LANDLOCK_CREATE_RULESET	444
#define NR_LANDLOCK_RESTRICT_SELF	446

static inline long host_call(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static inline void pause(void)
{
	asm volatile("pause" ::: "memory");
}

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002

/*
 * The bases of the segments by which threads find their own. With the instructions
 * of FSGSBASE, a program can change them as well. Without, they are what they were
 * set to, and the host sets them.
 */
static inline void get_bases(struct lkl_stub_data *d)
{
	if (!d->fsgsbase)
		return;
	asm volatile("rdfsbase %0" : "=r" (d->fs));
	asm volatile("rdgsbase %0" : "=r" (d->gs));
}

static inline void set_bases(struct lkl_stub_data *d)
{
	unsigned long fs = d->fs, gs = d->gs;

	if (d->fsgsbase) {
		asm volatile("wrfsbase %0" :: "r" (fs));
		asm volatile("wrgsbase %0" :: "r" (gs));
		return;
	}
	if (fs != d->has_fs)
		host_call(NR_ARCH_PRCTL, ARCH_SET_FS, fs, 0, 0, 0, 0);
	if (gs != d->has_gs)
		host_call(NR_ARCH_PRCTL, ARCH_SET_GS, gs, 0, 0, 0, 0);
	d->has_fs = fs;
	d->has_gs = gs;
}
#endif
