// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time of day. The parent may fix it (lkl_header.clock), so that what is
 * written to an image depends on nothing but what is asked for. Timers and
 * timeouts run by the monotonic clock, which always goes on.
 */
#include <linux/kernel.h>
#include <linux/timekeeping.h>
#include <asm/host.h>
#include <asm/time.h>
#include <asm/wrap.h>

u64 lkl_fixed_clock(void)
{
	return READ_ONCE(lkl_header->clock);
}

WRAP(void, ktime_get_real_ts64, struct timespec64 *ts)
{
	if (lkl_fixed_clock())
		*ts = ns_to_timespec64(lkl_fixed_clock());
	else
		__real_ktime_get_real_ts64(ts);
}

WRAP(void, ktime_get_coarse_real_ts64, struct timespec64 *ts)
{
	if (lkl_fixed_clock())
		*ts = ns_to_timespec64(lkl_fixed_clock());
	else
		__real_ktime_get_coarse_real_ts64(ts);
}

WRAP(time64_t, ktime_get_real_seconds, void)
{
	if (lkl_fixed_clock())
		return div_u64(lkl_fixed_clock(), NSEC_PER_SEC);
	return __real_ktime_get_real_seconds();
}

WRAP(ktime_t, ktime_get_with_offset, enum tk_offsets offs)
{
	if (lkl_fixed_clock() && offs == TK_OFFS_REAL)
		return ns_to_ktime(lkl_fixed_clock());
	return __real_ktime_get_with_offset(offs);
}
