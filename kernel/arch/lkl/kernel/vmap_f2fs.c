// SPDX-License-Identifier: GPL-2.0-only
/*
 * To save time, f2fs maps the pages of a compressed cluster before they are
 * read, and unmaps what they were decompressed to after it was unlocked.
 * Without an MMU a mapping can be a copy (vmap.c), which would then hold what
 * was there before, and be given back over what came after. To save memory, it
 * maps them when they are read and decrypted, and unmaps them before they are
 * unlocked; "memory=low" is what selects that, so no other mode is used here.
 */
#include <linux/f2fs_fs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/wrap.h>
#include "f2fs.h"

static struct super_operations f2fs_ops;
static int (*f2fs_remount)(struct super_block *sb, int *flags, char *data);

/* The last word counts, and f2fs does not sleep between its default and that. */
static int remount_low(struct super_block *sb, int *flags, char *data)
{
	char *options = kasprintf(GFP_KERNEL, "%s%smemory=low",
				  data ?: "", data && *data ? "," : "");
	int err = -ENOMEM;

	if (options)
		err = f2fs_remount(sb, flags, options);
	kfree(options);
	return err;
}

/* Each cluster that is read begins with this. */
LKL_WRAP(struct decompress_io_ctx *, f2fs_alloc_dic, struct compress_ctx *cc)
{
	struct super_block *sb = cc->inode->i_sb;

	if (sb->s_op != &f2fs_ops) {
		if (!f2fs_remount) {
			f2fs_ops = *sb->s_op;
			f2fs_remount = f2fs_ops.remount_fs;
			f2fs_ops.remount_fs = remount_low;
		}
		sb->s_op = &f2fs_ops;
		F2FS_OPTION(F2FS_SB(sb)).memory_mode = MEMORY_MODE_LOW;
	}
	return __real_f2fs_alloc_dic(cc);
}
