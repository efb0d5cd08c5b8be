// SPDX-License-Identifier: GPL-2.0-only
/* What PID 1 does in place of mounting a root and running /sbin/init. */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/init_syscalls.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <uapi/linux/mount.h>
#include <asm/ring.h>
#include <asm/setup.h>
#include <asm/wrap.h>

void __init lkl_set(const char *file, const char *value)
{
	struct file *f = filp_open(file, O_WRONLY, 0);
	loff_t pos = 0;

	if (IS_ERR(f))
		return;
	kernel_write(f, value, strlen(value), &pos);
	filp_close(f, NULL);
}

/*
 * A "disk" here is as fast as memory, so a writer gains nothing by waiting for
 * it: let most of memory be dirty, and start early to write it.
 */
static void __init set_writeback(void)
{
	static const struct {
		const char *const file;
		const char *const value;
	} settings[] __initconst = {
		{ "/proc/sys/vm/dirty_ratio", "60" },
		{ "/proc/sys/vm/dirty_background_ratio", "20" },
		/* what there is now says little of what there can be */
		{ "/proc/sys/vm/overcommit_memory", "1" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		lkl_set(settings[i].file, settings[i].value);
}

/* The rootfs stays the root. Images are mounted below it. */
LKL_WRAP(void __init, prepare_namespace, void)
{
	static const struct {
		const char *const type;
		const char *const dir;
		unsigned long flags;
		const char *const options;
	} mounts[] __initconst = {
		/* else a half of the memory that there is so far */
		{ "tmpfs", "/", MS_REMOUNT, "size=0,nr_inodes=0" },
		{ "devtmpfs", "/dev", 0, "size=0,nr_inodes=0" },
		{ "proc", "/proc", 0, "" },
		{ "sysfs", "/sys", 0, "" },
	};
	static char options[PAGE_SIZE] __initdata;	/* all of it may be written to */
	int i, err;

	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		init_mkdir(mounts[i].dir, 0755);
		strscpy(options, mounts[i].options, sizeof(options));
		err = init_mount(mounts[i].type, mounts[i].dir, mounts[i].type,
				 mounts[i].flags, options);
		if (err)
			pr_err("lkl: mounting %s: error %d\n", mounts[i].dir, err);
	}
	set_writeback();
	init_mkdir("/mnt", 0755);
	init_mkdir("/tmp", 01777);
}

/* PID 1 takes requests; the helpers that the kernel would run do not exist. */
LKL_WRAP(int __ref, kernel_execve, const char *file, const char *const *argv,
	 const char *const *envp)
{
	if (current->pid == 1) {
		lkl_snapshot();
		lkl_host_seal();	/* nothing of an image is here yet */
		console_loglevel = CONSOLE_LOGLEVEL_DEFAULT;
		lkl_serve();
	}
	return -ENOENT;
}
