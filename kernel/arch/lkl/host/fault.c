// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fault of kernel code, which no port of Linux survives. Here it ends the
 * process; the parent learns what happened from the log and the exit code.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/sprintf.h>
#include <asm/host.h>

#define HOST_SIGILL	4
#define HOST_SIGBUS	7
#define HOST_SIGFPE	8
#define HOST_SIGSEGV	11

#define HOST_SA_SIGINFO	0x00000004
#define HOST_SA_ONSTACK	0x08000000

/* The fault may be an overflow of the kernel's stack. */
static u8 fault_stack[SZ_16K] __aligned(16);

struct host_stack {
	void *sp;
	int flags;
	unsigned long size;
};

struct host_siginfo {
	int signo;
	int errno_;
	int code;
	int pad;
	unsigned long addr;
};

static void on_fault(int sig, const struct host_siginfo *info, const void *ucontext)
{
	static char line[160];
	int n;

	n = scnprintf(line, sizeof(line),
		      "BUG: fault (signal %d) at %#lx, pc %#lx, task %s\n",
		      sig, info->addr, lkl_machine_fault_pc(ucontext), current->comm);
	lkl_host_log(line, n);
	lkl_shared_store(&lkl_header->status, LKL_STATUS_PANIC);
	lkl_host_wake(&lkl_header->status);
	lkl_host_exit(LKL_EXIT_FAULT);
}

void __init lkl_host_catch_faults(void)
{
	static const int signals[] __initconst = {
		HOST_SIGILL, HOST_SIGBUS, HOST_SIGFPE, HOST_SIGSEGV
	};
	struct host_stack stack = { .sp = fault_stack, .size = sizeof(fault_stack) };
	struct lkl_machine_sigaction sa = {
		.handler = on_fault,
		.flags = HOST_SA_SIGINFO | HOST_SA_ONSTACK | LKL_MACHINE_SA_FLAGS,
	};
	int i;

	lkl_host_call(sigaltstack, &stack, NULL, 0, 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		lkl_host_call(rt_sigaction, signals[i], &sa, NULL, sizeof(sa.mask), 0, 0);
}
