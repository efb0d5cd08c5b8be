/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page that programs read, by the code of program/x86_64/vdso/: what the time was
 * when one of them was last let go, by the kernel's clocks and by the processor's
 * counter. No header is used there but this one.
 */
#ifndef _ASM_LKL_VDSO_H
#define _ASM_LKL_VDSO_H

/* As many of clockid_t as there may be an entry for. */
#define LKL_VDSO_CLOCKS	8

struct lkl_vdso_time {
	long sec;			/* -1: the kernel is to be asked */
	unsigned long nsec;
};

struct lkl_vdso_data {
	unsigned int seq;		/* odd while the rest changes */
	unsigned int shift;		/* ns = counter * mult >> shift */
	unsigned int mult;		/* 0: ask for all that goes on meanwhile */
	unsigned int coarse_ns;		/* resolution of clocks that do not */
	unsigned long cycles;		/* of the counter, then */
	unsigned long valid;		/* for so many of them */
	struct lkl_vdso_time clock[LKL_VDSO_CLOCKS];
};

/* Clocks that stand as they are until the next tick: bits by clockid_t. */
#define LKL_VDSO_COARSE	0x60U
#endif
