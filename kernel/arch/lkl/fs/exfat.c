// SPDX-License-Identifier: GPL-2.0-only
/*
 * exfat looks at the offset of a write before it asks whether the file is to be
 * appended to. With O_APPEND and an offset past the end, the file grew to there
 * before it was written to at its old end.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/uio.h>
#include <asm/wrap.h>

extern const struct file_operations __real_exfat_file_operations;
extern struct file_operations __wrap_exfat_file_operations;

struct file_operations __wrap_exfat_file_operations;

static ssize_t write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	if (iocb->ki_flags & IOCB_APPEND)
		iocb->ki_pos = i_size_read(file_inode(iocb->ki_filp));
	return __real_exfat_file_operations.write_iter(iocb, from);
}

static int __init exfat_init(void)
{
	__wrap_exfat_file_operations = __real_exfat_file_operations;
	__wrap_exfat_file_operations.write_iter = write_iter;
	return 0;
}
fs_initcall(exfat_init);
