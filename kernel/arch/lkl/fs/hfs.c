// SPDX-License-Identifier: GPL-2.0-only
/*
 * hfs reads the first page of a tree as if it lay in one piece from the tree's
 * first block on, whatever its extents say. Where the first extent is shorter,
 * the nodes behind it are those of another file: names are missed, and what is
 * written to such a node destroys the catalog. The page is forgotten once the
 * tree is open, and is read again by the extents when a node of it is asked for.
 */
#include <linux/mm.h>
#include "btree.h"
#include <asm/wrap.h>

WRAP(struct hfs_btree *, hfs_btree_open, struct super_block *sb, u32 id,
     btree_keycmp keycmp)
{
	struct hfs_btree *tree = __real_hfs_btree_open(sb, id, keycmp);

	if (tree)
		truncate_inode_pages(tree->inode->i_mapping, 0);
	return tree;
}
