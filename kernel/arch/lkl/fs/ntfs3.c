// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two faults of ntfs3 where a file is cut, or gets a hole, in the block in which
 * its valid data end. Both callers outside of its own file want to know where
 * that block lies, to change the rest of it in memory and to have it written.
 *
 * It reads the block, also when it is in memory already, and newer there: a
 * small file that grew out of its record and was cut before a sync became
 * zeros. What is in memory stays.
 *
 * It leaves the end of the valid data in the middle of a block that is mapped
 * from then on. What is written there later does not move the end, and is
 * cleared when the file grows. As with any other block that is to be written,
 * all of it is valid.
 */
#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/wrap.h>
#include "debug.h"
#include "ntfs.h"
#include "ntfs_fs.h"

int __real_ntfs_get_block(struct inode *inode, sector_t block,
			  struct buffer_head *bh, int create);

static int find_block(struct inode *inode, sector_t block, struct buffer_head *bh)
{
	struct folio *folio = bh->b_folio;
	void *here, *newer;
	int err;

	if (!folio || !folio_test_uptodate(folio))
		return __real_ntfs_get_block(inode, block, bh, 0);
	here = folio_address(folio) + offset_in_folio(folio, block << inode->i_blkbits);
	newer = kmemdup(here, i_blocksize(inode), GFP_NOFS);
	if (!newer)
		return -ENOMEM;
	err = __real_ntfs_get_block(inode, block, bh, 0);
	memcpy(here, newer, i_blocksize(inode));
	kfree(newer);
	if (!err)
		set_buffer_uptodate(bh);
	return err;
}

LKL_WRAP(int, ntfs_get_block, struct inode *inode, sector_t block,
	 struct buffer_head *bh, int create)
{
	struct ntfs_inode *ni = ntfs_i(inode);
	u64 start = (u64)block << inode->i_blkbits;
	int err;

	if (create)
		return __real_ntfs_get_block(inode, block, bh, create);
	err = find_block(inode, block, bh);
	if (!err && !is_resident(ni) && buffer_mapped(bh) && bh->b_folio &&
	    ni->i_valid > start && ni->i_valid < start + i_blocksize(inode)) {
		ni->i_valid = start + i_blocksize(inode);
		mark_inode_dirty(inode);
	}
	return err;
}
