/* SPDX-License-Identifier: GPL-2.0-only */
/* The host, for stubs: no header of the kernel or of a C library is used there. */
#ifndef _STUB_HOST_H
#define _STUB_HOST_H

#include <stub_machine.h>

#define host(nr, a, b, c, d, e, f)					\
	host_call(NR_##nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int is_error(long ret)
{
	return ret < 0 && ret > -4096;
}

#define SIGILL		4
#define SIGTRAP		5
#define SIGBUS		7
#define SIGFPE		8
#define SIGKILL		9
#define SIGSEGV		11
#define SIGCHLD		17
#define SIGVTALRM	26
#define SIGSYS		31

#define SIG_BLOCK	0

#define SA_SIGINFO	0x00000004
#define SA_RESTORER	0x04000000
#define SA_ONSTACK	0x08000000

struct siginfo {
	int signo, err, code, pad;
	unsigned long addr;
	int call;		/* SIGSYS */
	unsigned int arch;
};

struct sigaction {
	void (*handler)(int signo, const struct siginfo *info, const void *uc);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

struct stack {
	unsigned long sp;
	int flags;
	unsigned long size;
};

struct itimerval {
	long interval_s, interval_us, value_s, value_us;
};

#define ITIMER_VIRTUAL	1
#define STUB_SLICE_US	10000

#define PROT_READ	1
#define PROT_WRITE	2
#define MAP_SHARED	0x01
#define MAP_FIXED	0x10
#define MAP_POPULATE	0x8000
#define STUB_MAP_FLAGS	(MAP_SHARED | MAP_FIXED | MAP_POPULATE)

#define FUTEX_WAIT	0
#define FUTEX_WAKE	1
#define WNOHANG		1

#define PR_SET_PDEATHSIG	1
#define PR_SET_DUMPABLE		4
#define PR_SET_NAME		15
#define PR_SET_NO_NEW_PRIVS	38

#define RLIMIT_FSIZE	1
#define RLIMIT_CORE	4

#define CLONE_NEWUTS	0x04000000
#define CLONE_NEWIPC	0x08000000
#define CLONE_NEWUSER	0x10000000

#define LANDLOCK_VERSION	1

/* seccomp(2), and the instructions of its filters */
#define SECCOMP_SET_MODE_FILTER	1
#define ALLOW			0x7fff0000
#define TRAP			0x00030000
#define DATA_NR			0
#define DATA_ARCH		4
#define DATA_IP			8
#define DATA_ARG(i)		(16 + 8 * (i))

struct filter {
	unsigned short code;
	unsigned char yes, no;
	unsigned int k;
};

struct filter_prog {
	unsigned short len;
	const struct filter *filter;
};

#define LOAD(off)	{ 0x20, 0, 0, off }
#define JEQ(k, y, n)	{ 0x15, y, n, (unsigned int)(k) }
#define JGE(k, y, n)	{ 0x35, y, n, (unsigned int)(k) }
#define JGE_X(y, n)	{ 0x3d, y, n, 0 }
#define JUMP(k)		{ 0x05, 0, 0, k }
#define ADD(k)		{ 0x04, 0, 0, k }
#define ADD_X		{ 0x0c, 0, 0, 0 }
#define COPY_TO_X	{ 0x07, 0, 0, 0 }
#define RETURN(k)	{ 0x06, 0, 0, k }

/* stub.S */
void stub_restorer(void);
void stub_seal(unsigned long start, unsigned long len, const struct filter_prog *prog)
	__attribute__((noreturn));
#endif
