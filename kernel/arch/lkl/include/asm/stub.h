/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the kernel, its stubs, and the spawner that makes them.
 *
 * A stub is the host process in which the programs of one mm run. It is a copy
 * of the spawner (host/stub/): code at LKL_STUB_BASE, data that is shared with the
 * kernel at LKL_STUB_DATA, and below it what the page tables say. All of this
 * memory lies in one memfd, the memory of programs, and whoever runs in a stub can
 * write it: the kernel takes nothing there for true that it has not checked.
 */
#ifndef _ASM_LKL_STUB_H
#define _ASM_LKL_STUB_H

#define LKL_STUB_BASE		0x700000000000UL
#define LKL_STUB_DATA		0x700000100000UL
#define LKL_STUB_DATA_ORDER	3
#define LKL_STUB_DATA_SIZE	(0x1000UL << LKL_STUB_DATA_ORDER)
/* Offset there: two pages of struct lkl_stub_data, then the signal stack. */
#define LKL_STUB_SIGSTACK	0x2000UL
#define LKL_STUB_TOP		0x7ffffffff000UL	/* of what a process can map */

/* lkl_stub_data.state: whose turn it is; a futex word */
#define LKL_STUB_KERNEL		0
#define LKL_STUB_RUN		1

/* lkl_stub_op.type */
#define LKL_STUB_MMAP		0
#define LKL_STUB_MUNMAP		1

#define LKL_STUB_OPS		200

/* Of lkl_stub_data.spin. A program can write anything there. */
#define LKL_STUB_MAX_SPIN	10000U

struct lkl_stub_op {
	unsigned int type, prot;
	unsigned long addr, len;
	unsigned long off;		/* in the memory of programs */
};

struct lkl_stub_data {
	unsigned int state;
	unsigned int kernel_asleep, stub_asleep;
	unsigned int resume;		/* after the ops: go on with the program */
	unsigned int spin;		/* how often the stub looks for its turn before it sleeps */
	/* why it is the kernel's turn: a signal of the host, or the end of ops */
	int signo, code;
	int err;			/* of the first op that failed, or 0 */
	unsigned long addr;
	unsigned long uc;		/* address of the signal frame's ucontext */
	unsigned long fs, gs;		/* both ways */
	unsigned long has_fs, has_gs;	/* the stub's: what the host has, without FSGSBASE */
	unsigned int fsgsbase;		/* the processor has the instructions */
	unsigned int nr_ops;
	unsigned int arch;		/* of a system call: AUDIT_ARCH_... */
	struct lkl_stub_op ops[LKL_STUB_OPS];
};

/* A stub, as the spawner knows it. */
#define LKL_STUBS		64

/* lkl_stub_slot.want, by the kernel */
#define LKL_STUB_NONE		0
#define LKL_STUB_MAKE		1
#define LKL_STUB_END		2	/* kill it */

/* lkl_stub_slot.has, by the spawner; once it is gone, .want goes back to NONE first */
#define LKL_STUB_ALIVE		1
#define LKL_STUB_GONE		2	/* it has died, or could not be made */

struct lkl_stub_slot {
	unsigned int want, has;
	unsigned long data;		/* offset of its struct lkl_stub_data */
};

/* The last page of the memory of programs. */
struct lkl_stubs {
	unsigned int news;		/* for the spawner; a futex word that counts */
	unsigned int __pad;
	struct lkl_stub_slot slot[LKL_STUBS];
};

#endif
