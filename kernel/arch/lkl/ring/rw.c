// SPDX-License-Identifier: GPL-2.0-only
/*
 * pread and pwrite by the shortest way. The window has struct pages, so the
 * disk's data can go straight to it: one copy, from the host's page cache to
 * the window, in place of two. The file need not be opened with O_DIRECT.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/ring.h>

/* Below this the page cache, which reads ahead, is the faster way. */
#define DIRECT_MIN	SZ_64K

/* Direct I/O wants everything to be a multiple of a disk's block. */
#define DIRECT_ALIGN	SZ_4K

static bool can_go_direct(struct file *file, u64 buf, u64 size, u64 offset)
{
	return (file->f_mode & FMODE_CAN_ODIRECT) && size >= DIRECT_MIN &&
	       IS_ALIGNED(buf | size | offset, DIRECT_ALIGN);
}

/*
 * Whether what has failed directly may be tried by the page cache. Not every file
 * of a file system that can, can. And XFS takes blocks that it has only set aside
 * near the end of a file for an error; if it was one of the disk, the page cache
 * meets it as well.
 */
static bool may_go_cached(long err, bool write)
{
	return err == -EINVAL || err == -EOPNOTSUPP || (err == -EIO && !write);
}

static long direct(struct file *file, u64 buf, u64 size, u64 offset, bool write)
{
	struct bio_vec bv;
	struct iov_iter iter;
	struct kiocb iocb;
	long ret;

	if (!write) {
		loff_t end = i_size_read(file->f_mapping->host);

		/* what lies past the end is none of a reader's business */
		if (offset >= end)
			return 0;
		size = min_t(u64, size, round_up(end - offset, DIRECT_ALIGN));
	}
	bvec_set_page(&bv, virt_to_page(buf), size, 0);
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, &bv, 1, size);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = offset;
	iocb.ki_flags |= IOCB_DIRECT;
	if (write) {
		file_start_write(file);
		ret = file->f_op->write_iter(&iocb, &iter);
		file_end_write(file);
	} else {
		ret = file->f_op->read_iter(&iocb, &iter);
	}
	return ret;
}

long lkl_rw(int fd, u64 buf, u64 size, u64 offset, bool write)
{
	void __user *p = (void *)buf;
	struct fd f = fdget(fd);
	struct file *file = fd_file(f);
	loff_t pos = offset;
	long ret = -EBADF;

	if (!file)
		return ret;
	/* As pread(2) says it: a pipe would be read from wherever it stands, and waited for. */
	ret = -ESPIPE;
	if (!(file->f_mode & (write ? FMODE_PWRITE : FMODE_PREAD)))
		goto out;
	ret = -EBADF;
	if (!(file->f_mode & (write ? FMODE_WRITE : FMODE_READ)))
		goto out;
	ret = -EFAULT;
	if (!access_ok(p, size))
		goto out;
	if (can_go_direct(file, buf, size, offset)) {
		ret = rw_verify_area(write ? WRITE : READ, file, &pos, size);
		if (!ret)
			ret = direct(file, buf, size, offset, write);
		if (ret >= 0 || !may_go_cached(ret, write))
			goto out;
	}
	ret = write ? vfs_write(file, p, size, &pos) : vfs_read(file, p, size, &pos);
out:
	fdput(f);
	return ret;
}
