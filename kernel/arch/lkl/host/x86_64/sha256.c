// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-256 and SHA-224 (FIPS 180-4) by the processor's instructions, for
 * dm-verity, dm-integrity and fs-verity.
 */
#include <crypto/internal/hash.h>
#include <crypto/sha2.h>
#include <crypto/sha256_base.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include "cpu.h"

typedef int v4si __attribute__((vector_size(16)));
typedef long long v2di __attribute__((vector_size(16)));
typedef char v16qi __attribute__((vector_size(16)));
typedef v4si words __attribute__((aligned(1), may_alias));	/* in memory */

#define SHA	__attribute__((target("sha,sse4.1")))

static const u32 constants[64] __aligned(16) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The words i*4 to i*4+3 of the schedule, of which m holds the last sixteen. */
static __always_inline SHA v4si next_words(v4si m[4], int i)
{
	v4si last = m[(i + 3) & 3];
	v4si seven = (v4si)__builtin_ia32_palignr128((v2di)last, (v2di)m[(i + 2) & 3], 32);

	return __builtin_ia32_sha256msg2(__builtin_ia32_sha256msg1(m[i & 3], m[(i + 1) & 3]) + seven,
					 last);
}

static SHA void blocks(struct sha256_state *s, const u8 *src, int count)
{
	const v16qi big_endian = { 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12 };
	u32 *h = s->state;
	/* the halves of the state, as the instructions want them */
	v4si abef = { h[5], h[4], h[1], h[0] }, cdgh = { h[7], h[6], h[3], h[2] };

	for (; count > 0; count--, src += SHA256_BLOCK_SIZE) {
		v4si abef_was = abef, cdgh_was = cdgh, m[4];

		_Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) {
			v4si k;

			if (i < 4)
				m[i] = (v4si)__builtin_ia32_pshufb128((v16qi)((const words *)src)[i],
								      big_endian);
			else
				m[i & 3] = next_words(m, i);
			k = m[i & 3] + ((const v4si *)constants)[i];
			/* two rounds: the new abef; the old one is the new cdgh */
			cdgh = __builtin_ia32_sha256rnds2(cdgh, abef, k);
			k = __builtin_shuffle(k, (v4si){ 2, 3, 2, 3 });
			abef = __builtin_ia32_sha256rnds2(abef, cdgh, k);
		}
		abef += abef_was;
		cdgh += cdgh_was;
	}
	h[0] = abef[3], h[1] = abef[2], h[4] = abef[1], h[5] = abef[0];
	h[2] = cdgh[3], h[3] = cdgh[2], h[6] = cdgh[1], h[7] = cdgh[0];
}

static int update(struct shash_desc *desc, const u8 *data, unsigned int len)
{
	return sha256_base_do_update(desc, data, len, blocks);
}

static int finup(struct shash_desc *desc, const u8 *data, unsigned int len, u8 *out)
{
	sha256_base_do_update(desc, data, len, blocks);
	sha256_base_do_finalize(desc, blocks);
	return sha256_base_finish(desc, out);
}

static int final(struct shash_desc *desc, u8 *out)
{
	sha256_base_do_finalize(desc, blocks);
	return sha256_base_finish(desc, out);
}

#define SHA2(bits)							\
	.init			= sha##bits##_base_init,		\
	.update			= update,				\
	.final			= final,				\
	.finup			= finup,				\
	.descsize		= sizeof(struct sha256_state),		\
	.digestsize		= SHA##bits##_DIGEST_SIZE,		\
	.base.cra_name		= "sha" #bits,				\
	.base.cra_driver_name	= "sha" #bits "-ni",			\
	.base.cra_priority	= 250,					\
	.base.cra_blocksize	= SHA##bits##_BLOCK_SIZE,		\
	.base.cra_module	= THIS_MODULE

static struct shash_alg algs[] = { { SHA2(256) }, { SHA2(224) } };

static int __init sha256_setup(void)
{
	return lkl_cpu_has_sha() ? crypto_register_shashes(algs, ARRAY_SIZE(algs)) : 0;
}
subsys_initcall(sha256_setup);
