// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads that are answered by saying where the data is. A large file's way is
 * direct I/O into the window, which ends in requests for ranges of a disk. If
 * that disk does not change, the parent can do what is left of them, and does
 * so on as many processors as it has; this kernel has one.
 *
 * Only where all above the disks take the data as it is: a file system that
 * has checksums or a cipher for it looks at it when a request ends, and so do
 * many targets of the device mapper (mapped.c).
 */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fileattr.h>
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

/*
 * What a request reads, in pieces as its memory is: parts of a striped volume
 * that follow each other on a disk come as one request for memory here and
 * there. Returns how many there are, or 0 if one is not of this read.
 */
static unsigned int cut(struct disk *d, struct request *rq, struct locating *l)
{
	struct lkl_piece piece = {
		.disk = d->id,
		.offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
	};
	unsigned int n = 0, room = l->count - l->used;
	struct req_iterator it;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, it) {
		u64 buffer = (unsigned long)bvec_virt(&bv) - LKL_WINDOW_BASE;

		if (buffer < l->start || buffer >= l->end ||
		    bv.bv_len > l->end - buffer)
			return 0;
		if (n && buffer == piece.buffer + piece.length) {
			piece.length += bv.bv_len;
		} else {
			if (n++ == room)
				return 0;
			piece.offset += piece.length;
			piece.buffer = buffer;
			piece.length = bv.bv_len;
		}
		if (copy_to_user(&l->pieces[l->used + n - 1], &piece, sizeof(piece)))
			return 0;
	}
	return n;
}

/* Whether the request need not be done, since the parent has been told of it. */
bool lkl_disk_locate(struct disk *d, struct request *rq)
{
	struct locating *l;

	if (list_empty(&locating) || rq_data_dir(rq) != READ || !is_constant(d, rq))
		return false;
	list_for_each_entry(l, &locating, list) {
		unsigned int n = cut(d, rq, l);

		l->used += n;
		if (n)
			return true;
	}
	return false;
}

/* From now on, reads that are being done are done to their ends. */
void lkl_disk_locate_no_more(void)
{
	struct locating *l;

	list_for_each_entry(l, &locating, list)
		l->count = l->used;
}

/* Whether the data of an XFS file is on the device that the super block names. */
static bool is_on_data_device(struct dentry *dentry)
{
	struct fileattr fa;

	return !vfs_fileattr_get(dentry, &fa) &&
	       !(fa.fsx_xflags & FS_XFLAG_REALTIME);
}

static bool takes_data_as_it_is(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct super_block *sb = inode->i_sb;

	if (!S_ISREG(inode->i_mode) || IS_ENCRYPTED(inode) || IS_VERITY(inode))
		return false;
	switch (sb->s_magic) {
	case XFS_SUPER_MAGIC:
		if (!is_on_data_device(file_dentry(file)))
			return false;
		fallthrough;
	case EXT4_SUPER_MAGIC:
		return sb->s_bdev && lkl_disk_is_below(sb->s_bdev);
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
	/* Nothing sleeps between the look at the tables and the list. */
	if (takes_data_as_it_is(fd_file(f)))
		l.count = min(count, 64ULL);
	list_add(&l.list, &locating);
	fdput(f);
	ret = lkl_rw(fd, buf, size, offset, false);
	list_del(&l.list);
	if (l.used < count && clear_user(&l.pieces[l.used], sizeof(*l.pieces)))
		return -EFAULT;
	return ret;
}
