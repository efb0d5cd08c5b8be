// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry from the host. Everything up to start_kernel() runs with nothing of
 * the kernel set up: no allocation, no printk.
 */
#include <linux/auxvec.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/prctl.h>
#include <linux/start_kernel.h>
#include <linux/string.h>
#include <asm/host.h>
#include <asm/ring.h>
#include <asm/setup.h>
#include <asm/time.h>
#include <machine_cpu.h>

u64 lkl_start_ns, lkl_began_ns;
unsigned long lkl_host_hwcap, lkl_host_hwcap2;
unsigned int lkl_cpu[4];

void lkl_host_exit(int code)
{
	for (;;)
		lkl_host_call(exit_group, code, 0, 0, 0, 0, 0);
}

void lkl_host_log(const char *s, unsigned int n)
{
	while (n) {
		long ret = lkl_host_call(write, LKL_FD_LOG, s, n, 0, 0, 0);

		if (ret <= 0)
			return;		/* nobody reads it any more */
		s += ret;
		n -= ret;
	}
}

void lkl_host_die(int code, const char *why)
{
	lkl_host_log("lkl: ", 5);
	lkl_host_log(why, strlen(why));
	lkl_host_log("\n", 1);
	lkl_host_exit(code);
}

/* The host's stack at the start of a program: argc, argv, envp, auxv. */
static unsigned long __init find_auxv(const unsigned long *sp, unsigned long type)
{
	const unsigned long *p = sp + 1 + sp[0] + 1;

	while (*p++)
		;
	for (; p[0]; p += 2)
		if (p[0] == type)
			return p[1];
	return 0;
}

bool lkl_host_has_fsgsbase(void)
{
	return lkl_host_hwcap2 & LKL_MACHINE_HWCAP2_FSGSBASE;
}

void __init lkl_host_arrive(const unsigned long *sp)
{
	lkl_host_clock_init(find_auxv(sp, AT_SYSINFO_EHDR));
	lkl_host_hwcap = find_auxv(sp, AT_HWCAP);
	lkl_host_hwcap2 = find_auxv(sp, AT_HWCAP2);
	lkl_host_map_window();
	lkl_host_call(prctl, PR_SET_NAME, "unboot-kernel", 0, 0, 0, 0);
	lkl_host_catch_faults();
}

void __init lkl_host_forget(void)
{
	lkl_host_clock_init(0);
	lkl_host_hwcap = lkl_host_hwcap2 = 0;
}

asmlinkage void lkl_entry(const unsigned long *sp);
asmlinkage void __init lkl_entry(const unsigned long *sp)
{
	lkl_host_arrive(sp);
	if (lkl_header->flags & LKL_FLAG_SNAPSHOT)
		lkl_host_clock_set(LKL_SNAPSHOT_START);
	lkl_start_ns = lkl_host_now();
	if (lkl_header->flags & LKL_FLAG_SNAPSHOT)
		lkl_start_ns = LKL_SNAPSHOT_START;
	lkl_began_ns = lkl_start_ns;
	lkl_machine_cpu(lkl_cpu);
	start_kernel();
	lkl_host_die(LKL_EXIT_SETUP, "start_kernel() returned");
}
