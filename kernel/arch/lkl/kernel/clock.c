// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parent may fix the time of day (lkl_header.clock), so that what is written
 * to an image depends on nothing but what is asked for, and in which order. For
 * that, time stands still altogether. Where all tasks wait, and one of them
 * serves a call, time is moved to the next timer. It is not while a disk is
 * waited for, nor between calls: how long these take differs each time.
 *
 * Interrupts are taken only where all tasks wait, too, and the answers of the
 * parent's disks all together: they come at the same points each time then. With
 * that, it is the same task that runs next, wherever there are several.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <asm/ring.h>
#include <asm/time.h>
#include <asm/wrap.h>

u64 lkl_fixed_clock(void)
{
	return READ_ONCE(lkl_header->clock);
}

static u64 moved;			/* ns that time was moved by, in all */

u64 notrace lkl_now(void)
{
	return lkl_fixed_clock() ? lkl_start_ns + moved : lkl_host_now();
}

unsigned long lkl_cycles(void)
{
	return lkl_fixed_clock() ? lkl_now() : lkl_host_cycles();
}
EXPORT_SYMBOL(lkl_cycles);

void lkl_move_clock(u64 to)
{
	moved = to - lkl_start_ns;
}

/*
 * Return when all other tasks wait for more than a moment. Without this, what
 * they do would come before the next call or after it, as the parent is slow or
 * quick to make it.
 */
void lkl_settle(void)
{
	if (lkl_fixed_clock())
		usleep_range_state(1, 1, TASK_IDLE);
}

LKL_WRAP(void, ktime_get_real_ts64, struct timespec64 *ts)
{
	if (lkl_fixed_clock())
		*ts = ns_to_timespec64(lkl_fixed_clock());
	else
		__real_ktime_get_real_ts64(ts);
}

LKL_WRAP(void, ktime_get_coarse_real_ts64, struct timespec64 *ts)
{
	if (lkl_fixed_clock())
		*ts = ns_to_timespec64(lkl_fixed_clock());
	else
		__real_ktime_get_coarse_real_ts64(ts);
}

LKL_WRAP(time64_t, ktime_get_real_seconds, void)
{
	if (lkl_fixed_clock())
		return div_u64(lkl_fixed_clock(), NSEC_PER_SEC);
	return __real_ktime_get_real_seconds();
}

LKL_WRAP(ktime_t, ktime_get_with_offset, enum tk_offsets offs)
{
	if (lkl_fixed_clock() && offs == TK_OFFS_REAL)
		return ns_to_ktime(lkl_fixed_clock());
	return __real_ktime_get_with_offset(offs);
}
