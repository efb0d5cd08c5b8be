// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of the FPU, SSE and AVX, as the host writes it into a signal's frame:
 * fxsave's area, and behind it what xsave adds. Programs see the same in theirs.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/program.h>

#define MXCSR		24
#define MXCSR_MASK	28
#define MXCSR_USUAL	0xffbfU		/* the mask, if none is given */
#define HEADER_SIZE	64
#define FEATURES_LEGACY	3		/* x87 and SSE */

/* xsave's header */
struct header {
	u64 has, compacted, reserved[6];
};

static struct _fpx_sw_bytes *sw_bytes(const void *fp)
{
	return (void *)fp + LKL_FP_SW_BYTES;
}

static struct header *header(const void *fp)
{
	return (void *)fp + LKL_FP_LEGACY_SIZE;
}

/* How long it is, all told; 0: that is not one. */
size_t lkl_fp_size(const void *fp, size_t room)
{
	size_t size = LKL_FP_LEGACY_SIZE;

	if (room < size)
		return 0;
	if (sw_bytes(fp)->magic1 == FP_XSTATE_MAGIC1) {
		size = sw_bytes(fp)->extended_size;
		if (size < LKL_FP_LEGACY_SIZE + HEADER_SIZE + FP_XSTATE_MAGIC2_SIZE)
			return 0;
	}
	return size <= room ? size : 0;
}

size_t lkl_xstate_size(void)
{
	size_t size;

	lkl_first_fpstate(&size);
	return size > LKL_FP_LEGACY_SIZE ? size - FP_XSTATE_MAGIC2_SIZE : size;
}

u64 lkl_fp_features(void)
{
	size_t size;
	const void *first = lkl_first_fpstate(&size);

	return size > LKL_FP_LEGACY_SIZE ? sw_bytes(first)->xfeatures : FEATURES_LEGACY;
}

/* Is all of it there, where a program has put it, or fxsave's area alone? */
bool lkl_fp_is_whole(const void *fp)
{
	size_t size;
	const void *first = lkl_first_fpstate(&size);

	return size == LKL_FP_LEGACY_SIZE ||
	       (sw_bytes(fp)->magic1 == FP_XSTATE_MAGIC1 &&
		sw_bytes(fp)->extended_size == sw_bytes(first)->extended_size &&
		sw_bytes(fp)->xstate_size == sw_bytes(first)->xstate_size);
}

/* fxsave's area is to be taken from there, whatever the header says. */
void lkl_fp_has_legacy(void *fp)
{
	size_t size;

	lkl_first_fpstate(&size);
	if (size > LKL_FP_LEGACY_SIZE)
		header(fp)->has |= FEATURES_LEGACY;
}

bool lkl_fp_mend(void *fp)
{
	size_t size;
	const void *first = lkl_first_fpstate(&size);
	u32 mask = *(u32 *)(first + MXCSR_MASK) ?: MXCSR_USUAL;

	memcpy(fp + LKL_FP_SW_BYTES, first + LKL_FP_SW_BYTES, LKL_FP_LEGACY_SIZE - LKL_FP_SW_BYTES);
	if (*(u32 *)(fp + MXCSR) & ~mask)
		return false;
	if (size == LKL_FP_LEGACY_SIZE)
		return true;
	memcpy(fp + size - FP_XSTATE_MAGIC2_SIZE, first + size - FP_XSTATE_MAGIC2_SIZE,
	       FP_XSTATE_MAGIC2_SIZE);
	return !(header(fp)->has & ~sw_bytes(first)->xfeatures) && !header(fp)->compacted &&
	       !memchr_inv(header(fp)->reserved, 0, sizeof(header(fp)->reserved));
}
