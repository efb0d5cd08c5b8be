// SPDX-License-Identifier: GPL-2.0-only
/*
 * AES by the processor's instructions: the cipher itself, for the templates
 * (ESSIV, LRW, CMAC), and ECB, CBC and CTR. XTS is aes_xts.c's. The generic code,
 * which looks into tables, takes ten times as long, and how long depends on the key.
 *
 * Key schedules are part of the transforms, which the crypto API wipes.
 */
#include <crypto/algapi.h>
#include <crypto/internal/skcipher.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include "aes.h"
#include "cpu.h"

static LKL_AES void cipher_encrypt(struct crypto_tfm *tfm, u8 *dst, const u8 *src)
{
	*(lkl_block *)dst = lkl_aes_one(crypto_tfm_ctx(tfm), *(const lkl_block *)src, true);
}

static LKL_AES void cipher_decrypt(struct crypto_tfm *tfm, u8 *dst, const u8 *src)
{
	*(lkl_block *)dst = lkl_aes_one(crypto_tfm_ctx(tfm), *(const lkl_block *)src, false);
}

static struct crypto_alg cipher = {
	.cra_name		= "aes",
	.cra_driver_name	= "aes-ni",
	.cra_priority		= 300,
	.cra_flags		= CRYPTO_ALG_TYPE_CIPHER,
	.cra_blocksize		= AES_BLOCK_SIZE,
	.cra_ctxsize		= sizeof(struct crypto_aes_ctx),
	.cra_module		= THIS_MODULE,
	.cra_u.cipher		= {
		.cia_min_keysize	= AES_MIN_KEY_SIZE,
		.cia_max_keysize	= AES_MAX_KEY_SIZE,
		.cia_setkey		= crypto_aes_set_key,
		.cia_encrypt		= cipher_encrypt,
		.cia_decrypt		= cipher_decrypt,
	},
};

static int setkey(struct crypto_skcipher *tfm, const u8 *key, unsigned int len)
{
	return aes_expandkey(crypto_skcipher_ctx(tfm), key, len);
}

static const struct crypto_aes_ctx *context(struct skcipher_request *req)
{
	return crypto_skcipher_ctx(crypto_skcipher_reqtfm(req));
}

LKL_AES_INLINE int ecb_crypt(struct skcipher_request *req, bool enc)
{
	const struct crypto_aes_ctx *ctx = context(req);
	struct skcipher_walk walk;
	int err = skcipher_walk_virt(&walk, req, false);

	while (walk.nbytes) {
		const lkl_block *src = walk.src.virt.addr;
		lkl_block *dst = walk.dst.virt.addr;
		unsigned int count = walk.nbytes / AES_BLOCK_SIZE;

		for (; count >= LKL_AES_LANES; count -= LKL_AES_LANES) {
			lkl_v2di x[LKL_AES_LANES];

			lkl_aes_lanes x[i] = *src++;
			lkl_aes_many(ctx, x, enc);
			lkl_aes_lanes *dst++ = x[i];
		}
		while (count--)
			*dst++ = lkl_aes_one(ctx, *src++, enc);
		err = skcipher_walk_done(&walk, walk.nbytes % AES_BLOCK_SIZE);
	}
	return err;
}

static LKL_AES int ecb_encrypt(struct skcipher_request *req)
{
	return ecb_crypt(req, true);
}

static LKL_AES int ecb_decrypt(struct skcipher_request *req)
{
	return ecb_crypt(req, false);
}

static LKL_AES int cbc_encrypt(struct skcipher_request *req)
{
	const struct crypto_aes_ctx *ctx = context(req);
	struct skcipher_walk walk;
	int err = skcipher_walk_virt(&walk, req, false);

	while (walk.nbytes) {
		const lkl_block *src = walk.src.virt.addr;
		lkl_block *dst = walk.dst.virt.addr;
		unsigned int count = walk.nbytes / AES_BLOCK_SIZE;
		lkl_v2di iv = *(lkl_block *)walk.iv;

		while (count--)
			*dst++ = iv = lkl_aes_one(ctx, *src++ ^ iv, true);
		*(lkl_block *)walk.iv = iv;
		err = skcipher_walk_done(&walk, walk.nbytes % AES_BLOCK_SIZE);
	}
	return err;
}

static LKL_AES int cbc_decrypt(struct skcipher_request *req)
{
	const struct crypto_aes_ctx *ctx = context(req);
	struct skcipher_walk walk;
	int err = skcipher_walk_virt(&walk, req, false);

	while (walk.nbytes) {
		const lkl_block *src = walk.src.virt.addr;
		lkl_block *dst = walk.dst.virt.addr;
		unsigned int count = walk.nbytes / AES_BLOCK_SIZE;
		lkl_v2di iv = *(lkl_block *)walk.iv;

		for (; count >= LKL_AES_LANES; count -= LKL_AES_LANES) {
			lkl_v2di x[LKL_AES_LANES], c[LKL_AES_LANES];

			lkl_aes_lanes x[i] = c[i] = *src++;
			lkl_aes_many(ctx, x, false);
			lkl_aes_lanes { *dst++ = x[i] ^ iv; iv = c[i]; }
		}
		while (count--) {
			lkl_v2di c = *src++;

			*dst++ = lkl_aes_one(ctx, c, false) ^ iv;
			iv = c;
		}
		*(lkl_block *)walk.iv = iv;
		err = skcipher_walk_done(&walk, walk.nbytes % AES_BLOCK_SIZE);
	}
	return err;
}

/* The counter, a big-endian number, as it was; then it is one more. */
LKL_AES_INLINE lkl_v2di count_up(u64 *high, u64 *low)
{
	lkl_v2di x = { cpu_to_be64(*high), cpu_to_be64(*low) };

	*high += !++*low;
	return x;
}

static LKL_AES int ctr_crypt(struct skcipher_request *req)
{
	const struct crypto_aes_ctx *ctx = context(req);
	u64 high = get_unaligned_be64(req->iv), low = get_unaligned_be64(req->iv + 8);
	struct skcipher_walk walk;
	int err = skcipher_walk_virt(&walk, req, false);

	while (walk.nbytes) {
		const lkl_block *src = walk.src.virt.addr;
		lkl_block *dst = walk.dst.virt.addr;
		unsigned int count = walk.nbytes / AES_BLOCK_SIZE;
		unsigned int rest = walk.nbytes % AES_BLOCK_SIZE;

		for (; count >= LKL_AES_LANES; count -= LKL_AES_LANES) {
			lkl_v2di x[LKL_AES_LANES];

			lkl_aes_lanes x[i] = count_up(&high, &low);
			lkl_aes_many(ctx, x, true);
			lkl_aes_lanes *dst++ = x[i] ^ *src++;
		}
		while (count--)
			*dst++ = lkl_aes_one(ctx, count_up(&high, &low), true) ^ *src++;
		if (rest && walk.nbytes == walk.total) {
			lkl_v2di x = lkl_aes_one(ctx, count_up(&high, &low), true);

			crypto_xor_cpy((u8 *)dst, (const u8 *)src, (const u8 *)&x, rest);
			memzero_explicit(&x, sizeof(x));
			rest = 0;
		}
		*(lkl_block *)walk.iv = (lkl_v2di){ cpu_to_be64(high), cpu_to_be64(low) };
		err = skcipher_walk_done(&walk, rest);
	}
	return err;
}

#define MODE(mode)						\
	.base.cra_name		= #mode "(aes)",		\
	.base.cra_driver_name	= #mode "-aes-ni",		\
	.base.cra_priority	= 400,				\
	.base.cra_ctxsize	= sizeof(struct crypto_aes_ctx),\
	.base.cra_module	= THIS_MODULE,			\
	.min_keysize		= AES_MIN_KEY_SIZE,		\
	.max_keysize		= AES_MAX_KEY_SIZE,		\
	.setkey			= setkey

static struct skcipher_alg modes[] = {
	{
		MODE(ecb),
		.base.cra_blocksize	= AES_BLOCK_SIZE,
		.encrypt		= ecb_encrypt,
		.decrypt		= ecb_decrypt,
	}, {
		MODE(cbc),
		.base.cra_blocksize	= AES_BLOCK_SIZE,
		.ivsize			= AES_BLOCK_SIZE,
		.encrypt		= cbc_encrypt,
		.decrypt		= cbc_decrypt,
	}, {
		MODE(ctr),
		.base.cra_blocksize	= 1,
		.ivsize			= AES_BLOCK_SIZE,
		.chunksize		= AES_BLOCK_SIZE,
		.encrypt		= ctr_crypt,
		.decrypt		= ctr_crypt,
	},
};

static int __init aes_setup(void)
{
	if (!lkl_cpu_has(LKL_CPU_AES | LKL_CPU_SSE41))
		return 0;
	return crypto_register_alg(&cipher) ?:
		crypto_register_skciphers(modes, ARRAY_SIZE(modes)) ?:
		lkl_aes_register_xts();
}
subsys_initcall(aes_setup);
