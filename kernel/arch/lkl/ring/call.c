// SPDX-License-Identifier: GPL-2.0-only
/* What a request can ask for. */
#include <linux/kernel.h>
#include <linux/panic.h>
#include <linux/uaccess.h>
#include <asm/program.h>
#include <asm/ring.h>

/* To prove the sandbox: whatever the filter forbids ends the process. */
static long call_host(u64 ptr)
{
	struct lkl_hostcall h;

	if (copy_from_user(&h, (void *)ptr, sizeof(h)))
		return -EFAULT;
	return lkl_host_syscall(h.nr, h.args[0], h.args[1], h.args[2],
				h.args[3], h.args[4], h.args[5]);
}

static long call(const struct lkl_request *c)
{
	const u64 *a = c->args;

	if (c->nr >= 0)
		return lkl_syscall(c->nr, a);
	switch (c->nr) {
	case LKL_OP_CHAIN:
		return lkl_chain(a[0], a[1]);
	case LKL_OP_READDIR:
		return lkl_readdir(a[0], a[1], a[2], a[3], a[4]);
	case LKL_OP_READ:
		return lkl_rw(a[0], a[1], a[2], a[3], false);
	case LKL_OP_WRITE:
		return lkl_rw(a[0], a[1], a[2], a[3], true);
	case LKL_OP_LOCATE:
		return lkl_locate(a[0], a[1], a[2], a[3], a[4], a[5]);
	case LKL_OP_DISK_ADD:
		return lkl_disk_add(a[0]);
	case LKL_OP_DISK_DEL:
		return lkl_disk_del(a[0]);
	case LKL_OP_PROGRAMS:
		return lkl_programs();
	case LKL_OP_EXEC:
		return lkl_exec(a[0]);
	case LKL_OP_WAIT:
		return lkl_program_wait(a[0], a[1]);
	case LKL_OP_KILL:
		return lkl_program_kill(a[0], a[1], a[2]);
	case LKL_OP_HALT:
		lkl_halt();
		return 0;
	}
	if (!(lkl_header->flags & LKL_FLAG_TESTING))
		return -ENOSYS;
	switch (c->nr) {
	case LKL_OP_HOSTCALL:
		return call_host(a[0]);
	case LKL_OP_PANIC:
		panic("the parent asked for it");
	}
	return -ENOSYS;
}

long lkl_call(const struct lkl_request *c)
{
	long ret = call(c);

	lkl_user_mode_work();
	return ret;
}
