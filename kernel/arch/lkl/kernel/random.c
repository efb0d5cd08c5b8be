// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random numbers that are the same each time, where the parent has fixed the
 * clock: inode generations, hash seeds and identifiers end up in images. They
 * follow from the parent's seed alone. Otherwise the generator is the usual.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/string.h>
#include <asm/setup.h>
#include <asm/time.h>
#include <asm/wrap.h>

static siphash_key_t key;
static u64 counter;

void __init lkl_seed_random(const u8 *seed)
{
	memcpy(&key, seed, sizeof(key));
}

static u64 next(void)
{
	return siphash_1u64(counter++, &key);
}

LKL_WRAP(void, get_random_bytes, void *buf, size_t len)
{
	size_t n;

	if (!lkl_fixed_clock()) {
		__real_get_random_bytes(buf, len);
		return;
	}
	for (; len; buf += n, len -= n) {
		u64 r = next();

		n = min(len, sizeof(r));
		memcpy(buf, &r, n);
	}
}

LKL_WRAP(u8, get_random_u8, void)
{
	return lkl_fixed_clock() ? next() : __real_get_random_u8();
}

LKL_WRAP(u16, get_random_u16, void)
{
	return lkl_fixed_clock() ? next() : __real_get_random_u16();
}

LKL_WRAP(u32, get_random_u32, void)
{
	return lkl_fixed_clock() ? next() : __real_get_random_u32();
}

LKL_WRAP(u64, get_random_u64, void)
{
	return lkl_fixed_clock() ? next() : __real_get_random_u64();
}

LKL_WRAP(u32, __get_random_u32_below, u32 ceil)
{
	if (!lkl_fixed_clock() || !ceil)
		return __real___get_random_u32_below(ceil);
	return ((next() >> 32) * ceil) >> 32;
}
