// SPDX-License-Identifier: GPL-2.0-only
/* Two faults of hfs by which files lose what they hold. */
#include <linux/mm.h>
#include <linux/string.h>
#include "hfs_fs.h"
#include "btree.h"
#include <asm/wrap.h>

/*
 * The first page of a tree is read as if it lay in one piece from the tree's
 * first block on, whatever its extents say. Where the first extent is shorter,
 * the nodes behind it are those of another file: names are missed, and what is
 * written to such a node destroys the catalog. The page is forgotten once the
 * tree is open, and is read again by the extents when a node of it is asked for.
 */
LKL_WRAP(struct hfs_btree *, hfs_btree_open, struct super_block *sb, u32 id,
	 btree_keycmp keycmp)
{
	struct hfs_btree *tree = __real_hfs_btree_open(sb, id, keycmp);

	if (tree)
		truncate_inode_pages(tree->inode->i_mapping, 0);
	return tree;
}

static bool has_free_block(struct super_block *sb)
{
	const u8 *bitmap = (const u8 *)HFS_SB(sb)->bitmap;
	u32 blocks = HFS_SB(sb)->fs_ablocks;

	return memchr_inv(bitmap, 0xff, blocks / 8) ||
	       (blocks % 8 && (u8)~bitmap[blocks / 8] >> (8 - blocks % 8));
}

/*
 * The search goes from the goal to the end, then from the start to the goal,
 * and takes "not found before the goal" for the goal itself: on a full disk it
 * hands out blocks that are in use.
 */
LKL_WRAP(u32, hfs_vbm_search_free, struct super_block *sb, u32 goal, u32 *count)
{
	if (*count && !has_free_block(sb)) {
		*count = 0;
		return 0;
	}
	return __real_hfs_vbm_search_free(sb, goal, count);
}
