/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_TIME_H
#define _ASM_LKL_TIME_H
#include <linux/types.h>

extern u64 lkl_start_ns;	/* lkl_host_now() at the first instruction of the boot */
extern u64 lkl_began_ns;	/* and of this process, which may go on from a snapshot */
/* Where the clock of one that becomes a snapshot begins, in each build. */
#define LKL_SNAPSHOT_START	1000000000ULL	/* ns */

/* time.c */
bool lkl_timer_due(void);
void lkl_timer_interrupt(void);
/* Some task may wait for time to pass, and does so by looking at the clock. */
void lkl_pass_time(void);

/* clock.c: where the parent has fixed the clock, in ns since the epoch; or 0 */
u64 lkl_fixed_clock(void);
/* lkl_host_now(), unless the clock is fixed. */
u64 lkl_now(void);
void lkl_move_clock(u64 to);
void lkl_settle(void);
/* The processor's counter; with a fixed clock, that. */
unsigned long lkl_cycles(void);
#endif
