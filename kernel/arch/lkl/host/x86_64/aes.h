/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_AES_H
#define _LKL_AES_H
/* AES by the processor's instructions: blocks, one and several at once. */
#include <crypto/aes.h>

typedef long long lkl_v2di __attribute__((vector_size(16)));
/* A block in memory, which may lie anywhere. */
typedef lkl_v2di lkl_block __attribute__((aligned(1), may_alias));

#define LKL_AES		__attribute__((target("aes,sse4.1")))
#define LKL_AES_INLINE	static __always_inline LKL_AES

/*
 * So many blocks are in flight, since an instruction takes several cycles
 * and one can begin in each.
 */
#define LKL_AES_LANES	8
#define lkl_aes_lanes	_Pragma("GCC unroll 8") for (int i = 0; i < LKL_AES_LANES; i++)

LKL_AES_INLINE const lkl_block *lkl_aes_key(const struct crypto_aes_ctx *ctx, bool enc)
{
	return (const lkl_block *)(enc ? ctx->key_enc : ctx->key_dec);
}

LKL_AES_INLINE int lkl_aes_rounds(const struct crypto_aes_ctx *ctx)
{
	return 6 + ctx->key_length / 4;
}

LKL_AES_INLINE lkl_v2di lkl_aes_one(const struct crypto_aes_ctx *ctx, lkl_v2di x, bool enc)
{
	const lkl_block *rk = lkl_aes_key(ctx, enc);
	int n = lkl_aes_rounds(ctx);

	x ^= rk[0];
	for (int r = 1; r < n; r++)
		x = enc ? __builtin_ia32_aesenc128(x, rk[r]) : __builtin_ia32_aesdec128(x, rk[r]);
	return enc ? __builtin_ia32_aesenclast128(x, rk[n]) : __builtin_ia32_aesdeclast128(x, rk[n]);
}

LKL_AES_INLINE void lkl_aes_many(const struct crypto_aes_ctx *ctx,
				 lkl_v2di x[LKL_AES_LANES], bool enc)
{
	const lkl_block *rk = lkl_aes_key(ctx, enc);
	int n = lkl_aes_rounds(ctx);
	lkl_v2di k = rk[0];

	lkl_aes_lanes x[i] ^= k;
	for (int r = 1; r < n; r++) {
		k = rk[r];
		lkl_aes_lanes x[i] = enc ? __builtin_ia32_aesenc128(x[i], k)
					 : __builtin_ia32_aesdec128(x[i], k);
	}
	k = rk[n];
	lkl_aes_lanes x[i] = enc ? __builtin_ia32_aesenclast128(x[i], k)
				 : __builtin_ia32_aesdeclast128(x[i], k);
}

/* The modes of the other files, registered where the processor has AES. */
int __init lkl_aes_register_xts(void);

#endif
