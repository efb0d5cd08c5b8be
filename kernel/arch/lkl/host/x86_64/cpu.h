/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_CPU_H
#define _LKL_CPU_H
/*
 * What the processor has beyond the baseline, for code that is faster by it.
 * Nothing has to be saved for its registers: the kernel runs as user space
 * does here, and a switch of tasks is a call.
 */
#include <linux/types.h>
#include <asm/host.h>
#include <machine_cpu.h>

/* Whether all of these are there, of leaf 1. */
static inline bool lkl_cpu_has(u32 bits)
{
	return (lkl_cpu[0] & bits) == bits;
}

static inline bool lkl_cpu_has_sha(void)
{
	return (lkl_cpu[1] & LKL_CPU_SHA) && lkl_cpu_has(LKL_CPU_SSE41);
}

/* The processor has AVX2, and the host keeps the upper halves of the registers. */
static inline bool lkl_cpu_has_avx2(void)
{
	return (lkl_cpu[1] & LKL_CPU_AVX2) && lkl_cpu[3] == LKL_CPU_YMM;
}

static inline bool lkl_cpu_has_vaes(void)
{
	return lkl_cpu_has_avx2() && (lkl_cpu[2] & LKL_CPU_VAES);
}

#endif
