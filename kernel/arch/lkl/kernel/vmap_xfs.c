// SPDX-License-Identifier: GPL-2.0-only
/*
 * XFS clears a buffer by its pages, and uses it by the address that it has
 * mapped them at. Where that is a copy (vmap.c), the copy has to be cleared, too.
 */
#include "xfs.h"
#include "xfs_fs.h"
#include "xfs_shared.h"
#include "xfs_format.h"
#include "xfs_log_format.h"
#include "xfs_trans_resv.h"
#include "xfs_mount.h"
#include "xfs_buf.h"
#include <asm/wrap.h>

LKL_WRAP(void, xfs_buf_zero, struct xfs_buf *bp, size_t boff, size_t bsize)
{
	__real_xfs_buf_zero(bp, boff, bsize);
	if (bp->b_addr)
		invalidate_kernel_vmap_range(bp->b_addr + boff,
					     min(bsize, BBTOB(bp->b_length) - boff));
}
