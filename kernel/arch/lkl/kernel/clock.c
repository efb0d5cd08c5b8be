// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time of day. The parent may fix it (lkl_header.clock), so that what is
 * written to an image depends on nothing but what is asked for. Timers and
 * timeouts run by the monotonic clock, which always goes on.
 */
#include <linux/kernel.h>
#include <linux/timekeeping.h>
#include <asm/host.h>

#define WRAP(ret, fn, ...)						\
	ret __real_##fn(__VA_ARGS__);					\
	ret __wrap_##fn(__VA_ARGS__);					\
	ret __wrap_##fn(__VA_ARGS__)

static inline u64 fixed(void)
{
	return READ_ONCE(lkl_header->clock);
}

WRAP(void, ktime_get_real_ts64, struct timespec64 *ts)
{
	if (fixed())
		*ts = ns_to_timespec64(fixed());
	else
		__real_ktime_get_real_ts64(ts);
}

WRAP(void, ktime_get_coarse_real_ts64, struct timespec64 *ts)
{
	if (fixed())
		*ts = ns_to_timespec64(fixed());
	else
		__real_ktime_get_coarse_real_ts64(ts);
}

WRAP(time64_t, ktime_get_real_seconds, void)
{
	return fixed() ? div_u64(fixed(), NSEC_PER_SEC) : __real_ktime_get_real_seconds();
}

WRAP(ktime_t, ktime_get_with_offset, enum tk_offsets offs)
{
	if (fixed() && offs == TK_OFFS_REAL)
		return ns_to_ktime(fixed());
	return __real_ktime_get_with_offset(offs);
}
