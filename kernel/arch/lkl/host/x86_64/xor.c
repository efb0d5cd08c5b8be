// SPDX-License-Identifier: GPL-2.0-only
/* The parity of RAID 4 and 5, and the P of RAID 6, 128 bytes at a time by AVX2. */
#include <linux/init.h>
#include <linux/raid/xor.h>
#include <asm/host.h>
#include "cpu.h"

typedef long long v4di __attribute__((vector_size(32)));
typedef v4di part __attribute__((aligned(1), may_alias));	/* in memory */

#define AVX2	__attribute__((target("avx2")))
#define PARTS	4
#define parts	_Pragma("GCC unroll 4") for (int i = 0; i < PARTS; i++)

/* @bytes is a multiple of 512. */
static __always_inline AVX2 void xor(unsigned long bytes, unsigned int n, void *dst,
				     const void *const src[])
{
	for (unsigned long at = 0; at < bytes; at += sizeof(part[PARTS])) {
		part *d = dst + at;
		v4di x[PARTS];

		parts x[i] = d[i];
		_Pragma("GCC unroll 4") for (unsigned int s = 0; s < n; s++)
			parts x[i] ^= ((const part *)(src[s] + at))[i];
		parts d[i] = x[i];
	}
}

typedef unsigned long *__restrict to;
typedef const unsigned long *__restrict from;

static AVX2 void xor_2(unsigned long bytes, to a, from b)
{
	xor(bytes, 1, a, (const void *[]){ b });
}

static AVX2 void xor_3(unsigned long bytes, to a, from b, from c)
{
	xor(bytes, 2, a, (const void *[]){ b, c });
}

static AVX2 void xor_4(unsigned long bytes, to a, from b, from c, from d)
{
	xor(bytes, 3, a, (const void *[]){ b, c, d });
}

static AVX2 void xor_5(unsigned long bytes, to a, from b, from c, from d, from e)
{
	xor(bytes, 4, a, (const void *[]){ b, c, d, e });
}

static struct xor_block_template template = {
	.name	= "avx2",
	.do_2	= xor_2,
	.do_3	= xor_3,
	.do_4	= xor_4,
	.do_5	= xor_5,
};

struct xor_block_template * __init lkl_host_xor(void)
{
	return lkl_cpu_has_avx2() ? &template : NULL;
}
