// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program has written to a file of 9p is sent when it is closed, and if the
 * server refuses it, as where its disk is full, nobody is told: a release has no
 * error that close(2) would return. A flush has, as that of NFS.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/pagemap.h>

extern const struct file_operations __real_v9fs_file_operations_dotl;
extern struct file_operations __wrap_v9fs_file_operations_dotl;

struct file_operations __wrap_v9fs_file_operations_dotl;

static int flush(struct file *file, fl_owner_t id)
{
	if (!(file->f_mode & FMODE_WRITE))
		return 0;
	filemap_write_and_wait(file->f_mapping);
	/* also what was sent before, and not waited for */
	return file_check_and_advance_wb_err(file);
}

static int __init v9fs_init(void)
{
	__wrap_v9fs_file_operations_dotl = __real_v9fs_file_operations_dotl;
	__wrap_v9fs_file_operations_dotl.flush = flush;
	return 0;
}
fs_initcall(v9fs_init);
