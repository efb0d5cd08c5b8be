// SPDX-License-Identifier: GPL-2.0-only
/*
 * The syndromes of RAID 6 (H. Peter Anvin, "The mathematics of RAID-6") by AVX2:
 * P is the sum of the data, and Q that of each disk's times 2 to the power of its number,
 * in GF(2^8) with the polynomial 0x11d.
 *
 * The kernel's own are compiled for arch/x86 alone. lib/raid6 has chosen from the
 * generic ones when this replaces them.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/raid/pq.h>
#include "cpu.h"

typedef signed char v32qi __attribute__((vector_size(32)));
typedef v32qi part __attribute__((aligned(1), may_alias));	/* in memory */
typedef char v32c __attribute__((vector_size(32)));
typedef unsigned short v16hu __attribute__((vector_size(32)));
typedef long long v2di __attribute__((vector_size(16)));

#define AVX2		__attribute__((target("avx2")))
#define AVX2_INLINE	static __always_inline AVX2

AVX2_INLINE part *at(void *p, size_t off)
{
	return p + off;
}

AVX2_INLINE v32qi doubled(v32qi x)
{
	return (x + x) ^ ((x < 0) & 0x1d);
}

/* @ptrs are the data of @disks - 2, and P and Q. */
static AVX2 void gen_syndrome(int disks, size_t bytes, void **ptrs)
{
	int top = disks - 3;

	for (size_t off = 0; off < bytes; off += 2 * sizeof(part)) {
		v32qi p0 = at(ptrs[top], off)[0], p1 = at(ptrs[top], off)[1];
		v32qi q0 = p0, q1 = p1;

		for (int d = top - 1; d >= 0; d--) {
			v32qi d0 = at(ptrs[d], off)[0], d1 = at(ptrs[d], off)[1];

			p0 ^= d0;
			p1 ^= d1;
			q0 = doubled(q0) ^ d0;
			q1 = doubled(q1) ^ d1;
		}
		at(ptrs[disks - 2], off)[0] = p0;
		at(ptrs[disks - 2], off)[1] = p1;
		at(ptrs[disks - 1], off)[0] = q0;
		at(ptrs[disks - 1], off)[1] = q1;
	}
}

/* Adds what the disks from @start to @stop contribute to P and Q. */
static AVX2 void xor_syndrome(int disks, int start, int stop, size_t bytes, void **ptrs)
{
	for (size_t off = 0; off < bytes; off += sizeof(part)) {
		v32qi p = *at(ptrs[stop], off), q = p;
		int d;

		for (d = stop - 1; d >= start; d--) {
			v32qi x = *at(ptrs[d], off);

			p ^= x;
			q = doubled(q) ^ x;
		}
		for (; d >= 0; d--)
			q = doubled(q);
		*at(ptrs[disks - 2], off) ^= p;
		*at(ptrs[disks - 1], off) ^= q;
	}
}

/* The products of a constant and each value of a byte's lower half, and of its upper half. */
struct factor {
	v32c low, high;
};

AVX2_INLINE struct factor factor(u8 c)
{
	const v2di *half = (const v2di *)raid6_vgfmul[c];

	return (struct factor){ (v32c)__builtin_ia32_vbroadcastsi256(half[0]),
				(v32c)__builtin_ia32_vbroadcastsi256(half[1]) };
}

AVX2_INLINE v32qi times(struct factor f, v32qi x)
{
	v32c low = (v32c)x & 0xf, high = (v32c)((v16hu)x >> 4) & 0xf;

	return (v32qi)(__builtin_ia32_pshufb256(f.low, low) ^
		       __builtin_ia32_pshufb256(f.high, high));
}

/*
 * The syndrome without the disks @a and @b. It goes where these are to be, or
 * the P to P itself if @b is that.
 */
static void syndrome_without(int disks, size_t bytes, int a, int b, void **ptrs)
{
	void *p = ptrs[disks - 2], *q = ptrs[disks - 1], *data_a = ptrs[a], *data_b = ptrs[b];

	ptrs[disks - 1] = data_a;
	ptrs[a] = (void *)raid6_empty_zero_page;
	if (b < disks - 2) {
		ptrs[disks - 2] = data_b;
		ptrs[b] = (void *)raid6_empty_zero_page;
	}
	gen_syndrome(disks, bytes, ptrs);
	ptrs[a] = data_a;
	ptrs[b] = data_b;
	ptrs[disks - 2] = p;
	ptrs[disks - 1] = q;
}

/* Computes the data of @a and @b, @a being the lower number, from P and Q. */
static AVX2 void recover_data(int disks, size_t bytes, int a, int b, void **ptrs)
{
	struct factor of_p = factor(raid6_gfexi[b - a]);
	struct factor of_q = factor(raid6_gfinv[raid6_gfexp[a] ^ raid6_gfexp[b]]);

	syndrome_without(disks, bytes, a, b, ptrs);
	for (size_t off = 0; off < bytes; off += sizeof(part)) {
		v32qi p = *at(ptrs[disks - 2], off) ^ *at(ptrs[b], off);
		v32qi q = *at(ptrs[disks - 1], off) ^ *at(ptrs[a], off);
		v32qi x = times(of_p, p) ^ times(of_q, q);

		*at(ptrs[b], off) = x;
		*at(ptrs[a], off) = x ^ p;
	}
}

/* Computes the data of @a, and P, from Q. */
static AVX2 void recover_data_and_p(int disks, size_t bytes, int a, void **ptrs)
{
	struct factor of_q = factor(raid6_gfinv[raid6_gfexp[a]]);

	syndrome_without(disks, bytes, a, disks - 2, ptrs);
	for (size_t off = 0; off < bytes; off += sizeof(part)) {
		v32qi x = times(of_q, *at(ptrs[disks - 1], off) ^ *at(ptrs[a], off));

		*at(ptrs[a], off) = x;
		*at(ptrs[disks - 2], off) ^= x;
	}
}

static int __init raid6_setup(void)
{
	if (!lkl_cpu_has_avx2())
		return 0;
	raid6_call = (struct raid6_calls){
		.gen_syndrome = gen_syndrome, .xor_syndrome = xor_syndrome, .name = "avx2",
	};
	raid6_2data_recov = recover_data;
	raid6_datap_recov = recover_data_and_p;
	pr_info("raid6: avx2 after all\n");
	return 0;
}
subsys_initcall_sync(raid6_setup);
