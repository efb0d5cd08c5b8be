/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_MACHINE_CPU_H
#define _LKL_MACHINE_CPU_H
/* What the processor has beyond the baseline, for code that is faster by it. */

/* Bits of leaf 1, ecx */
#define LKL_CPU_PCLMUL		(1U << 1)
#define LKL_CPU_SSSE3		(1U << 9)
#define LKL_CPU_SSE41		(1U << 19)
#define LKL_CPU_SSE42		(1U << 20)
#define LKL_CPU_AES		(1U << 25)
#define LKL_CPU_OSXSAVE		(1U << 27)
/* of leaf 7, ebx */
#define LKL_CPU_AVX2		(1U << 5)
#define LKL_CPU_SHA		(1U << 29)
/* of leaf 7, ecx */
#define LKL_CPU_VAES		(1U << 9)
/* and of XCR0: the host keeps the upper halves of the registers */
#define LKL_CPU_YMM		6U

struct lkl_cpuid {
	unsigned int a, b, c, d;
};

static inline struct lkl_cpuid lkl_cpuid(unsigned int leaf)
{
	struct lkl_cpuid r = { .a = leaf };

	asm volatile("cpuid" : "+a" (r.a), "=b" (r.b), "+c" (r.c), "=d" (r.d));
	return r;
}

/* All bits above that are there: leaf 1, leaf 7 twice, XCR0. */
static inline void lkl_machine_cpu(unsigned int has[4])
{
	struct lkl_cpuid seven = {};
	unsigned int high;

	has[0] = lkl_cpuid(1).c & (LKL_CPU_PCLMUL | LKL_CPU_SSSE3 | LKL_CPU_SSE41 |
				   LKL_CPU_SSE42 | LKL_CPU_AES | LKL_CPU_OSXSAVE);
	if (lkl_cpuid(0).a >= 7)
		seven = lkl_cpuid(7);
	has[1] = seven.b & (LKL_CPU_AVX2 | LKL_CPU_SHA);
	has[2] = seven.c & LKL_CPU_VAES;
	has[3] = 0;
	if (has[0] & LKL_CPU_OSXSAVE)
		asm volatile("xgetbv" : "=a" (has[3]), "=d" (high) : "c" (0));
	has[3] &= LKL_CPU_YMM;
}

#endif
