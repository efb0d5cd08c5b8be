// SPDX-License-Identifier: GPL-2.0-only
/* The ends of this machine: each is an exit code of the process. */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <asm/host.h>
#include <asm/ring.h>
#include <asm/wrap.h>

static void __noreturn leave(u32 status, int code)
{
	lkl_shared_store(&lkl_header->status, status);
	lkl_host_wake(&lkl_header->status);
	lkl_host_exit(code);
}

static int on_panic(struct notifier_block *nb, unsigned long event, void *msg)
{
	leave(LKL_STATUS_PANIC, LKL_EXIT_PANIC);
}

static struct notifier_block panic_block = { .notifier_call = on_panic };

static int __init panic_setup(void)
{
	return atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
}
early_initcall(panic_setup);

static struct task_struct *halting;

void lkl_halt(void)
{
	halting = current;
	kernel_power_off();
}

/*
 * md has marked its arrays as clean when it sleeps for a second, for the sake of
 * disks that lose what they have cached at a reboot. Here are none.
 */
LKL_WRAP(void, msleep, unsigned int ms)
{
	if (current != halting)
		__real_msleep(ms);
}

/* Also where a panic before the notifier is registered ends. */
void machine_restart(char *cmd)
{
	leave(LKL_STATUS_PANIC, LKL_EXIT_PANIC);
}

void machine_halt(void)
{
	leave(LKL_STATUS_HALTED, 0);
}

void machine_power_off(void)
{
	leave(LKL_STATUS_HALTED, 0);
}
