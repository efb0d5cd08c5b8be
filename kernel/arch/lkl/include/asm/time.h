/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_TIME_H
#define _ASM_LKL_TIME_H
#include <linux/types.h>
bool lkl_timer_due(void);
void lkl_timer_interrupt(void);

/* Where the parent has fixed the clock, in ns since the epoch; or 0. */
u64 lkl_fixed_clock(void);
#endif
