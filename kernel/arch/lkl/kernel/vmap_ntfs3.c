// SPDX-License-Identifier: GPL-2.0-only
/*
 * ntfs3 reads and writes the pages of a frame while they are mapped, which
 * without an MMU can be a copy of them (vmap.c): a frame that does not compress
 * is read into pages whose old content the copy has, and a compressed one is
 * written from pages that have not got it yet.
 */
#include <linux/fs.h>
#include <linux/blk_types.h>
#include <linux/types.h>
#include <asm/wrap.h>
#include "debug.h"
#include "ntfs.h"
#include "ntfs_fs.h"
#include "vmap.h"

LKL_WRAP(int, ntfs_bio_pages, struct ntfs_sb_info *sbi, const struct runs_tree *run,
	 struct page **pages, u32 nr_pages, u64 vbo, u32 bytes, enum req_op op)
{
	int err;

	if (op_is_write(op))
		lkl_vmap_flush_pages(pages, nr_pages);
	err = __real_ntfs_bio_pages(sbi, run, pages, nr_pages, vbo, bytes, op);
	if (!op_is_write(op))
		lkl_vmap_refresh_pages(pages, nr_pages);
	return err;
}

/* It forgets to unmap a frame that is all zeros, or that the disk has no room for. */
LKL_WRAP(int, ni_write_frame, struct ntfs_inode *ni, struct page **pages,
	 u32 pages_per_frame)
{
	u64 mark = lkl_vmap_mark();
	int err = __real_ni_write_frame(ni, pages, pages_per_frame);

	lkl_vmap_unmap_since(mark);
	return err;
}
