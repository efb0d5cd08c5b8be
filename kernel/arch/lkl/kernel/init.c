// SPDX-License-Identifier: GPL-2.0-only
/* What PID 1 does in place of mounting a root and running /sbin/init. */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/init_syscalls.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <asm/ring.h>

/* The rootfs stays the root. Images are mounted below it. */
void __wrap_prepare_namespace(void);
void __init __wrap_prepare_namespace(void)
{
	static const struct {
		const char *const type;
		const char *const dir;
	} mounts[] __initconst = {
		{ "devtmpfs", "/dev" },
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
	};
	int i, err;

	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		init_mkdir(mounts[i].dir, 0755);
		err = init_mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL);
		if (err)
			pr_err("lkl: mounting %s: error %d\n", mounts[i].dir, err);
	}
	init_mkdir("/mnt", 0755);
	init_mkdir("/tmp", 01777);
}

/* PID 1 takes requests; the helpers that the kernel would run do not exist. */
int __wrap_kernel_execve(const char *file, const char *const *argv,
			 const char *const *envp);
int __wrap_kernel_execve(const char *file, const char *const *argv,
			 const char *const *envp)
{
	if (current->pid == 1) {
		host_seal();		/* nothing of an image is here yet */
		console_loglevel = CONSOLE_LOGLEVEL_DEFAULT;
		lkl_serve();
	}
	return -ENOENT;
}
