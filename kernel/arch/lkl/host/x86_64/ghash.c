// SPDX-License-Identifier: GPL-2.0-only
/*
 * GHASH (NIST SP 800-38D), the authentication of AES-GCM, by the processor's
 * multiplication without carry.
 *
 * The bits of a block are in the opposite order of a number's. RFC 8452, appendix A
 * says how to do with numbers all the same: the bytes are turned round, and the
 * key is multiplied by x once, since the product of two such numbers is one bit
 * short of its place.
 */
#include <crypto/ghash.h>
#include <crypto/internal/hash.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include "cpu.h"

typedef unsigned long long v2du __attribute__((vector_size(16)));
typedef long long v2di __attribute__((vector_size(16)));
typedef char v16qi __attribute__((vector_size(16)));
typedef v2du block __attribute__((aligned(1), may_alias));	/* in memory */

#define CLMUL		__attribute__((target("pclmul,ssse3")))
#define CLMUL_INLINE	static __always_inline CLMUL

struct key {
	block h;		/* times x, turned round */
};

struct state {
	block hash;		/* turned round */
	u8 buf[GHASH_BLOCK_SIZE];
	unsigned int used;	/* of buf */
};

CLMUL_INLINE v2du turned(const u8 *p)
{
	return (v2du)__builtin_ia32_pshufb128((v16qi)*(const block *)p,
		(v16qi){ 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 });
}

#define multiply(a, b, halves)	((v2du)__builtin_ia32_pclmulqdq128((v2di)(a), (v2di)(b), halves))

CLMUL_INLINE v2du up(v2du x)		{ return (v2du){ 0, x[0] }; }
CLMUL_INLINE v2du down(v2du x)		{ return (v2du){ x[1], 0 }; }
CLMUL_INLINE v2du swapped(v2du x)	{ return (v2du){ x[1], x[0] }; }

/*
 * The product, divided by x^128, modulo x^128 + x^127 + x^126 + x^121 + 1. What is
 * below x^128 goes 64 bits at a time, by adding the multiple of the modulus that
 * makes them 0.
 */
CLMUL_INLINE v2du product(v2du a, v2du b)
{
	const v2du poly = { 0xc200000000000000, 0 };
	v2du low = multiply(a, b, 0x00), high = multiply(a, b, 0x11);
	v2du middle = multiply(a, b, 0x01) ^ multiply(a, b, 0x10);

	low ^= up(middle);
	high ^= down(middle);
	low = swapped(low) ^ multiply(low, poly, 0x00);
	low = swapped(low) ^ multiply(low, poly, 0x00);
	return high ^ low;
}

static CLMUL int ghash_setkey(struct crypto_shash *tfm, const u8 *key, unsigned int len)
{
	struct key *k = crypto_shash_ctx(tfm);
	v2du h;
	u64 carry;

	if (len != GHASH_BLOCK_SIZE)
		return -EINVAL;
	h = turned(key);
	carry = -(h[1] >> 63);
	k->h = (h << 1 | up(h >> 63)) ^ (v2du){ carry & 1, carry & 0xc200000000000000 };
	return 0;
}

static int ghash_init(struct shash_desc *desc)
{
	memset(shash_desc_ctx(desc), 0, sizeof(struct state));
	return 0;
}

static CLMUL void blocks(struct shash_desc *desc, const u8 *p, unsigned int count)
{
	const struct key *k = crypto_shash_ctx(desc->tfm);
	struct state *s = shash_desc_ctx(desc);
	v2du hash = s->hash, h = k->h;

	for (; count; count--, p += GHASH_BLOCK_SIZE)
		hash = product(hash ^ turned(p), h);
	s->hash = hash;
}

static int ghash_update(struct shash_desc *desc, const u8 *p, unsigned int len)
{
	struct state *s = shash_desc_ctx(desc);
	unsigned int n;

	if (s->used) {
		n = min(len, GHASH_BLOCK_SIZE - s->used);
		memcpy(s->buf + s->used, p, n);
		p += n;
		len -= n;
		s->used += n;
		if (s->used < GHASH_BLOCK_SIZE)
			return 0;
		blocks(desc, s->buf, 1);
	}
	blocks(desc, p, len / GHASH_BLOCK_SIZE);
	s->used = len % GHASH_BLOCK_SIZE;
	memcpy(s->buf, p + len - s->used, s->used);
	return 0;
}

static CLMUL int ghash_final(struct shash_desc *desc, u8 *out)
{
	struct state *s = shash_desc_ctx(desc);

	if (s->used) {
		memset(s->buf + s->used, 0, GHASH_BLOCK_SIZE - s->used);
		blocks(desc, s->buf, 1);
	}
	*(block *)out = turned((const u8 *)&s->hash);
	memzero_explicit(s, sizeof(*s));
	return 0;
}

static struct shash_alg ghash_alg = {
	.setkey		= ghash_setkey,
	.init		= ghash_init,
	.update		= ghash_update,
	.final		= ghash_final,
	.descsize	= sizeof(struct state),
	.digestsize	= GHASH_DIGEST_SIZE,
	.base		= {
		.cra_name		= "ghash",
		.cra_driver_name	= "ghash-clmul",
		.cra_priority		= 250,
		.cra_blocksize		= GHASH_BLOCK_SIZE,
		.cra_ctxsize		= sizeof(struct key),
		.cra_module		= THIS_MODULE,
	},
};

static int __init ghash_setup(void)
{
	return lkl_cpu_has(LKL_CPU_PCLMUL | LKL_CPU_SSSE3) ? crypto_register_shash(&ghash_alg) : 0;
}
subsys_initcall(ghash_setup);
