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

static long direct(struct file *file, u64 buf, u64 size, u64 offset, bool write)
{
	struct bio_vec bv;
	struct iov_iter iter;
	struct kiocb iocb;
	long ret;

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
	if (!(file->f_mode & (write ? FMODE_WRITE : FMODE_READ)))
		goto out;
	ret = -EFAULT;
	if (!access_ok(p, size))
		goto out;
	if (can_go_direct(file, buf, size, offset)) {
		ret = rw_verify_area(write ? WRITE : READ, file, &pos, size);
		if (!ret)
			ret = direct(file, buf, size, offset, write);
		/* not every file of a file system that can, can */
		if (ret != -EINVAL && ret != -EOPNOTSUPP)
			goto out;
	}
	ret = write ? vfs_write(file, p, size, &pos) : vfs_read(file, p, size, &pos);
out:
	fdput(f);
	return ret;
}
