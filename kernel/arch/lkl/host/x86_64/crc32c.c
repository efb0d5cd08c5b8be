// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRC-32C by the processor's instruction, for the metadata of ext4, xfs and
 * btrfs, and for dm-integrity.
 */
#include <crypto/internal/hash.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/unaligned.h>
#include "cpu.h"

static u32 __attribute__((target("sse4.2")))
crc32c_update(u32 crc, const u8 *p, unsigned int len)
{
	u64 wide = crc;

	for (; len >= 8; p += 8, len -= 8)
		wide = __builtin_ia32_crc32di(wide, get_unaligned((const u64 *)p));
	for (crc = wide; len; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

static int crc32c_cra_init(struct crypto_tfm *tfm)
{
	u32 *key = crypto_tfm_ctx(tfm);

	*key = ~0;
	return 0;
}

static int crc32c_setkey(struct crypto_shash *hash, const u8 *key, unsigned int len)
{
	u32 *seed = crypto_shash_ctx(hash);

	if (len != sizeof(*seed))
		return -EINVAL;
	*seed = get_unaligned_le32(key);
	return 0;
}

static int crc32c_init(struct shash_desc *desc)
{
	u32 *crc = shash_desc_ctx(desc);

	*crc = *(u32 *)crypto_shash_ctx(desc->tfm);
	return 0;
}

static int crc32c_shash_update(struct shash_desc *desc, const u8 *p, unsigned int len)
{
	u32 *crc = shash_desc_ctx(desc);

	*crc = crc32c_update(*crc, p, len);
	return 0;
}

static int crc32c_final(struct shash_desc *desc, u8 *out)
{
	put_unaligned_le32(~*(u32 *)shash_desc_ctx(desc), out);
	return 0;
}

static int crc32c_finup(struct shash_desc *desc, const u8 *p, unsigned int len, u8 *out)
{
	put_unaligned_le32(~crc32c_update(*(u32 *)shash_desc_ctx(desc), p, len), out);
	return 0;
}

static int crc32c_digest(struct shash_desc *desc, const u8 *p, unsigned int len, u8 *out)
{
	put_unaligned_le32(~crc32c_update(*(u32 *)crypto_shash_ctx(desc->tfm), p, len), out);
	return 0;
}

static struct shash_alg crc32c_alg = {
	.setkey		= crc32c_setkey,
	.init		= crc32c_init,
	.update		= crc32c_shash_update,
	.final		= crc32c_final,
	.finup		= crc32c_finup,
	.digest		= crc32c_digest,
	.descsize	= sizeof(u32),
	.digestsize	= sizeof(u32),
	.base		= {
		.cra_name		= "crc32c",
		.cra_driver_name	= "crc32c-sse42",
		.cra_priority		= 200,
		.cra_flags		= CRYPTO_ALG_OPTIONAL_KEY,
		.cra_blocksize		= 1,
		.cra_ctxsize		= sizeof(u32),
		.cra_module		= THIS_MODULE,
		.cra_init		= crc32c_cra_init,
	},
};

static int __init crc32c_setup(void)
{
	return lkl_cpu_has(LKL_CPU_SSE42) ? crypto_register_shash(&crc32c_alg) : 0;
}
subsys_initcall(crc32c_setup);
