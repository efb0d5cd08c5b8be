// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel from a snapshot learns when it goes on: the parent's wishes, the time,
 * and random numbers of its own. It has been booted with a fixed clock and seed, so
 * until then nothing in it is a secret. What was hashed with such a key at boot is
 * names of sysfs and the like; the keys of hash tables stay what they are.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <asm/host.h>
#include <asm/program.h>
#include <asm/setup.h>
#include <asm/snapshot.h>
#include <asm/time.h>
#include <asm/wrap.h>

/* Who draws a key once there are random numbers (lib/vsprintf.c). */
static struct notifier_block *drawers[4];
static unsigned int nr_drawers;

LKL_WRAP(int, execute_with_initialized_rng, struct notifier_block *nb)
{
	if (nr_drawers < ARRAY_SIZE(drawers))
		drawers[nr_drawers++] = nb;
	return __real_execute_with_initialized_rng(nb);
}

/* The generator takes in what it has been given, as for RNDRESEEDCRNG of random(4). */
static int __init reseed(void)
{
	struct file *f = filp_open("/dev/urandom", O_RDONLY, 0);
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	err = f->f_op->unlocked_ioctl(f, RNDRESEEDCRNG, 0);
	filp_close(f, NULL);
	return err;
}

static void __init take_seed(void)
{
	unsigned int i;

	if (!memchr_inv(lkl_header->seed, 0, sizeof(lkl_header->seed)))
		lkl_host_die(LKL_EXIT_SETUP, "no seed");
	lkl_seed_random(lkl_header->seed);
	add_bootloader_randomness(lkl_header->seed, sizeof(lkl_header->seed));
	memzero_explicit(lkl_header->seed, sizeof(lkl_header->seed));
	if (lkl_fixed_clock())		/* the seed is the one it was booted with */
		return;
	if (reseed() || nr_drawers > ARRAY_SIZE(drawers))
		lkl_host_die(LKL_EXIT_SETUP, "no random numbers");
	for (i = 0; i < nr_drawers; i++)
		drawers[i]->notifier_call(drawers[i], 0, NULL);
}

static void __init take_time(void)
{
	struct timespec64 now;

	read_persistent_clock64(&now);
	if (do_settimeofday64(&now))
		pr_warn("lkl: the host's time is not one\n");
}

/* As kernel/fork.c reckons at boot, from all that the machine can grow to: setup.c. */
static void __init limit_threads(void)
{
	unsigned long size = lkl_header->memory +
			     lkl_header->programs / PAGE_SIZE * sizeof(struct page);
	char value[24];

	snprintf(value, sizeof(value), "%lu", size / (THREAD_SIZE * 8));
	lkl_set("/proc/sys/kernel/threads-max", value);
}

void __init lkl_snapshot(void)
{
	if (lkl_header->flags & LKL_FLAG_SNAPSHOT)
		lkl_settle();		/* and nobody else has anything to do */
	if (!lkl_host_snapshot())
		return;
	if (lkl_header->status != LKL_STATUS_START || lkl_header->snapshot)
		lkl_host_die(LKL_EXIT_SETUP, "the window has been used");
	lkl_header->snapshot = 1;
	take_seed();
	take_time();
	lkl_limit_user(lkl_header->programs);
	lkl_limit_ram(lkl_header->memory);
	limit_threads();
}
