// SPDX-License-Identifier: GPL-2.0-only
/*
 * To find out where a block lies, ntfs3 reads it if valid data end in it, also
 * when it is in memory already, and newer there: a small file that grew out of
 * its record and was cut before a sync became zeros. What is in memory stays.
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

WRAP(int, ntfs_get_block, struct inode *inode, sector_t block,
     struct buffer_head *bh, int create)
{
	struct folio *folio = bh->b_folio;
	void *here, *newer;
	int err;

	if (create || !folio || !folio_test_uptodate(folio))
		return __real_ntfs_get_block(inode, block, bh, create);
	here = folio_address(folio) + offset_in_folio(folio, block << inode->i_blkbits);
	newer = kmemdup(here, i_blocksize(inode), GFP_NOFS);
	if (!newer)
		return -ENOMEM;
	err = __real_ntfs_get_block(inode, block, bh, create);
	memcpy(here, newer, i_blocksize(inode));
	kfree(newer);
	if (!err)
		set_buffer_uptodate(bh);
	return err;
}
