// SPDX-License-Identifier: GPL-2.0-only
/*
 * XTS-AES (IEEE 1619), which nearly all encrypted disks are in: two blocks at
 * once by each instruction where the processor can (VAES), else one.
 */
#include <crypto/internal/skcipher.h>
#include <crypto/scatterwalk.h>
#include <crypto/xts.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include "aes.h"
#include "cpu.h"

typedef int v4si __attribute__((vector_size(16)));
typedef unsigned long long v4du __attribute__((vector_size(32)));
typedef long long v4di __attribute__((vector_size(32)));
typedef v4du pair __attribute__((aligned(1), may_alias));	/* of blocks, in memory */

#define VAES	__attribute__((target("vaes,avx2")))

struct xts_ctx {
	struct crypto_aes_ctx data, tweak;
};

/* Encrypts or decrypts blocks, beginning with the tweak, and returns the next tweak. */
typedef lkl_v2di bulk_fn(const struct crypto_aes_ctx *ctx, lkl_block *dst,
			 const lkl_block *src, unsigned int count, lkl_v2di tweak, bool enc);

/* Times x in GF(2^128), in which x^128 is x^7 + x^2 + x + 1. */
LKL_AES_INLINE lkl_v2di next_tweak(lkl_v2di t)
{
	v4si carry = __builtin_shuffle((v4si)t, (v4si){ 3, 0, 1, 0 }) >> 31;

	return (t + t) ^ (lkl_v2di)(carry & (v4si){ 0x87, 0, 1, 0 });
}

LKL_AES_INLINE lkl_v2di narrow(const struct crypto_aes_ctx *ctx, lkl_block *dst,
			       const lkl_block *src, unsigned int count, lkl_v2di tweak, bool enc)
{
	for (; count >= LKL_AES_LANES; count -= LKL_AES_LANES) {
		lkl_v2di x[LKL_AES_LANES], t[LKL_AES_LANES];

		lkl_aes_lanes { t[i] = tweak; tweak = next_tweak(tweak); }
		lkl_aes_lanes x[i] = *src++ ^ t[i];
		lkl_aes_many(ctx, x, enc);
		lkl_aes_lanes *dst++ = x[i] ^ t[i];
	}
	for (; count; count--) {
		*dst++ = lkl_aes_one(ctx, *src++ ^ tweak, enc) ^ tweak;
		tweak = next_tweak(tweak);
	}
	return tweak;
}

static LKL_AES lkl_v2di narrow_bulk(const struct crypto_aes_ctx *ctx, lkl_block *dst,
				    const lkl_block *src, unsigned int count,
				    lkl_v2di tweak, bool enc)
{
	return enc ? narrow(ctx, dst, src, count, tweak, true)
		   : narrow(ctx, dst, src, count, tweak, false);
}

/* Times x^2, in each half: what leaves the upper end of a block comes in below, times 0x87. */
static __always_inline VAES v4du next_pair(v4du t)
{
	v4du carry = __builtin_shuffle(t >> 62, (v4du){ 1, 0, 3, 2 });
	v4du low = carry & (v4du){ 3, 0, 3, 0 };

	return (t << 2) ^ carry ^ (low << 1) ^ (low << 2) ^ (low << 7);
}

static __always_inline VAES v4di both(lkl_block k)
{
	return (v4di)__builtin_ia32_vbroadcastsi256(k);
}

static __always_inline VAES v4di vaes(v4di x, v4di k, bool enc, bool last)
{
	typedef char v32qi __attribute__((vector_size(32)));

	if (last)
		return (v4di)(enc ? __builtin_ia32_vaesenclast_v32qi((v32qi)x, (v32qi)k)
				  : __builtin_ia32_vaesdeclast_v32qi((v32qi)x, (v32qi)k));
	return (v4di)(enc ? __builtin_ia32_vaesenc_v32qi((v32qi)x, (v32qi)k)
			  : __builtin_ia32_vaesdec_v32qi((v32qi)x, (v32qi)k));
}

#define PAIRS	4
#define pairs	_Pragma("GCC unroll 4") for (int i = 0; i < PAIRS; i++)

static __always_inline VAES lkl_v2di wide(const struct crypto_aes_ctx *ctx, lkl_block *dst,
					  const lkl_block *src, unsigned int count,
					  lkl_v2di tweak, lkl_v2di second, bool enc)
{
	const lkl_block *rk = (const lkl_block *)(enc ? ctx->key_enc : ctx->key_dec);
	int n = 6 + ctx->key_length / 4;
	v4du next = { tweak[0], tweak[1], second[0], second[1] };

	for (; count >= 2 * PAIRS; count -= 2 * PAIRS, src += 2 * PAIRS, dst += 2 * PAIRS) {
		v4du t[PAIRS];
		v4di x[PAIRS], k = both(rk[0]);

		pairs { t[i] = next; next = next_pair(next); }
		pairs x[i] = (v4di)(((const pair *)src)[i] ^ t[i]) ^ k;
		for (int r = 1; r < n; r++) {
			k = both(rk[r]);
			pairs x[i] = vaes(x[i], k, enc, false);
		}
		k = both(rk[n]);
		pairs x[i] = vaes(x[i], k, enc, true);
		pairs ((pair *)dst)[i] = (v4du)x[i] ^ t[i];
	}
	return (lkl_v2di){ next[0], next[1] };
}

static VAES lkl_v2di wide_bulk(const struct crypto_aes_ctx *ctx, lkl_block *dst,
			       const lkl_block *src, unsigned int count,
			       lkl_v2di tweak, lkl_v2di second, bool enc)
{
	return enc ? wide(ctx, dst, src, count, tweak, second, true)
		   : wide(ctx, dst, src, count, tweak, second, false);
}

static LKL_AES lkl_v2di vaes_bulk(const struct crypto_aes_ctx *ctx, lkl_block *dst,
				  const lkl_block *src, unsigned int count,
				  lkl_v2di tweak, bool enc)
{
	unsigned int many = round_down(count, 2 * PAIRS);

	if (many)
		tweak = wide_bulk(ctx, dst, src, many, tweak, next_tweak(tweak), enc);
	return narrow_bulk(ctx, dst + many, src + many, count - many, tweak, enc);
}

static int xts_setkey(struct crypto_skcipher *tfm, const u8 *key, unsigned int len)
{
	struct xts_ctx *ctx = crypto_skcipher_ctx(tfm);
	int err = xts_verify_key(tfm, key, len);

	len /= 2;
	return err ?: aes_expandkey(&ctx->data, key, len) ?:
		aes_expandkey(&ctx->tweak, key + len, len);
}

/*
 * The last whole block, and after it less than one: what that lacks is taken from
 * the end of the other one's ciphertext, and the two change places.
 */
LKL_AES_INLINE void steal(const struct xts_ctx *ctx, struct skcipher_request *req,
			  unsigned int done, lkl_v2di tweak, bool enc)
{
	unsigned int len = req->cryptlen - done, rest = len - AES_BLOCK_SIZE;
	lkl_v2di next = next_tweak(tweak);
	lkl_block whole, part;
	u8 buf[2 * AES_BLOCK_SIZE];

	scatterwalk_map_and_copy(buf, req->src, done, len, 0);
	whole = *(lkl_block *)buf;
	/* the first is done with the tweak that its place has in the ciphertext's order */
	if (!enc)
		swap(tweak, next);
	whole = lkl_aes_one(&ctx->data, whole ^ tweak, enc) ^ tweak;
	part = whole;
	memcpy(&part, buf + AES_BLOCK_SIZE, rest);
	part = lkl_aes_one(&ctx->data, part ^ next, enc) ^ next;
	memcpy(buf, &part, AES_BLOCK_SIZE);
	memcpy(buf + AES_BLOCK_SIZE, &whole, rest);
	scatterwalk_map_and_copy(buf, req->dst, done, len, 1);
	memzero_explicit(buf, sizeof(buf));
}

LKL_AES_INLINE int xts_crypt(struct skcipher_request *req, bulk_fn *bulk, bool enc)
{
	const struct xts_ctx *ctx = crypto_skcipher_ctx(crypto_skcipher_reqtfm(req));
	lkl_v2di tweak = lkl_aes_one(&ctx->tweak, *(const lkl_block *)req->iv, true);
	unsigned int rest = req->cryptlen % AES_BLOCK_SIZE;
	struct skcipher_request whole;
	struct skcipher_walk walk;
	int err;

	if (req->cryptlen < AES_BLOCK_SIZE)
		return -EINVAL;
	if (rest) {
		skcipher_request_set_tfm(&whole, crypto_skcipher_reqtfm(req));
		skcipher_request_set_callback(&whole, skcipher_request_flags(req), NULL, NULL);
		skcipher_request_set_crypt(&whole, req->src, req->dst,
					   req->cryptlen - rest - AES_BLOCK_SIZE, req->iv);
	}
	err = skcipher_walk_virt(&walk, rest ? &whole : req, false);
	while (walk.nbytes) {
		tweak = bulk(&ctx->data, walk.dst.virt.addr, walk.src.virt.addr,
			     walk.nbytes / AES_BLOCK_SIZE, tweak, enc);
		err = skcipher_walk_done(&walk, walk.nbytes % AES_BLOCK_SIZE);
	}
	if (!err && rest)
		steal(ctx, req, whole.cryptlen, tweak, enc);
	return err;
}

static LKL_AES int narrow_encrypt(struct skcipher_request *req)
{
	return xts_crypt(req, narrow_bulk, true);
}

static LKL_AES int narrow_decrypt(struct skcipher_request *req)
{
	return xts_crypt(req, narrow_bulk, false);
}

static LKL_AES int wide_encrypt(struct skcipher_request *req)
{
	return xts_crypt(req, vaes_bulk, true);
}

static LKL_AES int wide_decrypt(struct skcipher_request *req)
{
	return xts_crypt(req, vaes_bulk, false);
}

#define XTS(name, priority, how)				\
	.base.cra_name		= "xts(aes)",			\
	.base.cra_driver_name	= "xts-aes-" name,		\
	.base.cra_priority	= priority,			\
	.base.cra_blocksize	= AES_BLOCK_SIZE,		\
	.base.cra_ctxsize	= sizeof(struct xts_ctx),	\
	.base.cra_module	= THIS_MODULE,			\
	.min_keysize		= 2 * AES_MIN_KEY_SIZE,		\
	.max_keysize		= 2 * AES_MAX_KEY_SIZE,		\
	.ivsize			= AES_BLOCK_SIZE,		\
	.setkey			= xts_setkey,			\
	.encrypt		= how##_encrypt,		\
	.decrypt		= how##_decrypt

static struct skcipher_alg narrow_alg = { XTS("ni", 400, narrow) };
static struct skcipher_alg wide_alg = { XTS("vaes", 500, wide) };

int __init lkl_aes_register_xts(void)
{
	int err = crypto_register_skcipher(&narrow_alg);

	if (!err && lkl_cpu_has_vaes())
		err = crypto_register_skcipher(&wide_alg);
	return err;
}
