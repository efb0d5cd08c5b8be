// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time, in a program's own addresses: what the kernel has written down, and
 * what the processor has counted since. Where that does not do, the system call.
 */
#include "../../../include/asm/vdso.h"

#define NSEC_PER_SEC	1000000000UL

#define REALTIME	0
#define REALTIME_COARSE	5

#define NR_GETTIMEOFDAY	96
#define NR_TIME		201
#define NR_CLOCK_GETTIME	228
#define NR_CLOCK_GETRES	229

struct timespec { long sec, nsec; };
struct timeval { long sec, usec; };
struct timezone { int west, dst; };

extern const volatile struct lkl_vdso_data lkl_vdso_data;

static long call(long nr, long a, long b)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "0" (nr), "D" (a), "S" (b) : "rcx", "r11", "memory");
	return ret;
}

/* Not before what comes before it. */
static unsigned long counter(void)
{
	unsigned int low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) :: "memory");
	return (unsigned long)high << 32 | low;
}

static int read_clock(unsigned int clock, struct timespec *ts)
{
	const volatile struct lkl_vdso_data *d = &lkl_vdso_data;
	unsigned long nsec, cycles;
	unsigned int seq;
	long sec;

	if (clock >= LKL_VDSO_CLOCKS)
		return 0;
	/* loads are not reordered here */
	do {
		seq = d->seq;
		sec = d->clock[clock].sec;
		nsec = d->clock[clock].nsec;
		if ((seq & 1) || sec < 0)
			return 0;
		if (LKL_VDSO_COARSE & 1U << clock)
			continue;
		if (!d->mult)
			return 0;
		cycles = counter() - d->cycles;
		if ((long)cycles < 0)
			cycles = 0;
		if (cycles > d->valid)
			return 0;
		nsec += cycles * d->mult >> d->shift;
	} while (d->seq != seq);
	for (; nsec >= NSEC_PER_SEC; nsec -= NSEC_PER_SEC)
		sec++;
	ts->sec = sec;
	ts->nsec = nsec;
	return 1;
}

#define EXPORT(name)	\
	__typeof__(__vdso_##name) __vdso_##name __attribute__((visibility("default")));	\
	__typeof__(__vdso_##name) name __attribute__((weak, alias("__vdso_" #name), visibility("default")))

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
long __vdso_time(long *t);
long __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused);
EXPORT(clock_gettime);
EXPORT(clock_getres);
EXPORT(gettimeofday);
EXPORT(time);
EXPORT(getcpu);

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	if (read_clock(clock, ts))
		return 0;
	return call(NR_CLOCK_GETTIME, clock, (long)ts);
}

int __vdso_clock_getres(int clock, struct timespec *ts)
{
	const volatile struct lkl_vdso_data *d = &lkl_vdso_data;

	if ((unsigned int)clock >= LKL_VDSO_CLOCKS || d->clock[clock].sec < 0 || !ts)
		return call(NR_CLOCK_GETRES, clock, (long)ts);
	ts->sec = 0;
	ts->nsec = LKL_VDSO_COARSE & 1U << clock ? d->coarse_ns : 1;
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	struct timespec ts;

	/* the kernel's time zone is asked for by few */
	if (tz || !tv || !read_clock(REALTIME, &ts))
		return call(NR_GETTIMEOFDAY, (long)tv, (long)tz);
	tv->sec = ts.sec;
	tv->usec = ts.nsec / 1000;
	return 0;
}

long __vdso_time(long *t)
{
	struct timespec ts;

	if (!read_clock(REALTIME_COARSE, &ts))
		return call(NR_TIME, (long)t, 0);
	if (t)
		*t = ts.sec;
	return ts.sec;
}

/* There is one. */
long __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused)
{
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}
