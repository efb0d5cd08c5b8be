/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_CPU_H
#define _LKL_CPU_H
/*
 * What the processor has beyond the baseline, for code that is faster by it.
 * Nothing has to be saved for its registers: the kernel runs as user space
 * does here, and a switch of tasks is a call.
 */
#include <linux/bits.h>
#include <linux/init.h>
#include <linux/types.h>

/* Bits of leaf 1, ecx */
#define LKL_CPU_PCLMUL		BIT(1)
#define LKL_CPU_SSSE3		BIT(9)
#define LKL_CPU_SSE41		BIT(19)
#define LKL_CPU_SSE42		BIT(20)
#define LKL_CPU_AES		BIT(25)
#define LKL_CPU_OSXSAVE		BIT(27)
/* of leaf 7, ebx */
#define LKL_CPU_AVX2		BIT(5)
#define LKL_CPU_SHA		BIT(29)
/* and of leaf 7, ecx */
#define LKL_CPU_VAES		BIT(9)

struct lkl_cpuid {
	u32 a, b, c, d;
};

static inline struct lkl_cpuid __init lkl_cpuid(u32 leaf)
{
	struct lkl_cpuid r = { .a = leaf };

	asm volatile("cpuid" : "+a" (r.a), "=b" (r.b), "+c" (r.c), "=d" (r.d));
	return r;
}

/* Whether all of these are there, of leaf 1. */
static inline bool __init lkl_cpu_has(u32 bits)
{
	return (lkl_cpuid(1).c & bits) == bits;
}

static inline struct lkl_cpuid __init lkl_cpuid_7(void)
{
	return lkl_cpuid(0).a >= 7 ? lkl_cpuid(7) : (struct lkl_cpuid){};
}

static inline bool __init lkl_cpu_has_sha(void)
{
	return (lkl_cpuid_7().b & LKL_CPU_SHA) && lkl_cpu_has(LKL_CPU_SSE41);
}

/* The processor has AVX2, and the host keeps the upper halves of the registers. */
static inline bool __init lkl_cpu_has_avx2(void)
{
	u32 low, high;

	if (!lkl_cpu_has(LKL_CPU_OSXSAVE) || !(lkl_cpuid_7().b & LKL_CPU_AVX2))
		return false;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (low & 6) == 6;
}

static inline bool __init lkl_cpu_has_vaes(void)
{
	return lkl_cpu_has_avx2() && (lkl_cpuid_7().c & LKL_CPU_VAES);
}

#endif
