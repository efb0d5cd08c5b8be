// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads that are answered by saying where the data is. A large file's way is
 * direct I/O into the window, which ends in requests for ranges of a disk. If
 * that disk does not change, the parent can do what is left of them, and does
 * so on as many processors as it has; this kernel has one.
 *
 * Only where the file system takes the data as it is: one that has checksums
 * or a cipher for it looks at it when a request ends. And only on the disks
 * themselves, not on what the device mapper makes of them.
 */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/magic.h>
#include <linux/uaccess.h>
#include "disk.h"

struct locating {
	struct list_head list;
	u64 start, end;			/* in the window */
	struct lkl_piece *pieces;	/* there, too */
	unsigned int used, count;
};

static LIST_HEAD(locating);

/* Whether what is read now is what the disk has, and will have. */
static bool is_constant(struct disk *d, struct request *rq)
{
	if (d->flags & LKL_DISK_OVERLAY)
		return lkl_overlay_is_clean(d, rq);
	return d->flags & LKL_DISK_RDONLY;
}

/* Whether the request need not be done, since the parent has been told of it. */
bool lkl_disk_locate(struct disk *d, struct request *rq)
{
	u64 buffer, len = blk_rq_bytes(rq);
	struct locating *l;

	if (list_empty(&locating) || rq_data_dir(rq) != READ || !is_constant(d, rq))
		return false;
	buffer = lkl_disk_in_window(rq);
	list_for_each_entry(l, &locating, list) {
		struct lkl_piece piece = {
			.disk = d->id,
			.offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
			.buffer = buffer,
			.length = len,
		};

		if (!buffer || buffer < l->start || buffer + len > l->end ||
		    l->used == l->count)
			continue;
		if (copy_to_user(&l->pieces[l->used], &piece, sizeof(piece)))
			return false;
		l->used++;
		return true;
	}
	return false;
}

static bool takes_data_as_it_is(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;

	if (!S_ISREG(inode->i_mode) || IS_ENCRYPTED(inode) || IS_VERITY(inode))
		return false;
	switch (sb->s_magic) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
		return sb->s_bdev && sb->s_bdev->bd_disk->fops == &lkl_disk_fops;
	}
	return false;
}

long lkl_locate(int fd, u64 buf, u64 size, u64 offset, u64 pieces, u64 count)
{
	struct locating l = {
		.start = buf - LKL_WINDOW_BASE,
		.end = buf - LKL_WINDOW_BASE + size,
		.pieces = (void *)pieces,
	};
	struct fd f = fdget(fd);
	long ret;

	if (!fd_file(f))
		return -EBADF;
	if (takes_data_as_it_is(file_inode(fd_file(f))))
		l.count = min(count, 64ULL);
	fdput(f);
	list_add(&l.list, &locating);
	ret = lkl_rw(fd, buf, size, offset, false);
	list_del(&l.list);
	if (l.used < count && clear_user(&l.pieces[l.used], sizeof(*l.pieces)))
		return -EFAULT;
	return ret;
}
