/* The time: by the vDSO and by the call, which agree. */
#include "say.h"
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

static int64_t ns(struct timespec ts) { return ts.tv_sec * 1000000000LL + ts.tv_nsec; }

static int64_t by_call(int clock)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, clock, &ts);
	return ns(ts);
}

static int64_t by_libc(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ns(ts);
}

int main(void)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
				      CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	struct timespec ts, end;
	struct timeval tv;

	is(getauxval(AT_SYSINFO_EHDR) != 0);
	for (unsigned i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		int back = 0, far = 0;
		int64_t last = by_call(clocks[i]);

		for (int n = 0; n < 200000; n++) {
			/* mostly without a call, so that there is time to go wrong in */
			int64_t now = n % 64 ? by_libc(clocks[i]) : by_call(clocks[i]);

			back += now < last;
			far += now > last + 1000000000;
			last = now;
		}
		say("clock %d: back %d times, far on %d times", clocks[i], back, far);
		clock_getres(clocks[i], &ts);
		syscall(SYS_clock_getres, clocks[i], &end);
		is(ns(ts) == ns(end));
	}
	for (int i = 0; i < 1000; i++) {
		int64_t a = by_call(CLOCK_REALTIME), b, c;

		gettimeofday(&tv, NULL);
		b = tv.tv_sec * 1000000LL + tv.tv_usec;
		c = by_call(CLOCK_REALTIME);
		if (b < a / 1000 || b > c / 1000)
			say("gettimeofday: %ld between %ld and %ld", b, a, c);
	}
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	is(time(NULL) - ts.tv_sec <= 1);
	/* the vDSO moves by itself, and not too fast */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	do
		clock_gettime(CLOCK_MONOTONIC, &end);
	while (ns(end) - ns(ts) < 50000000);
	is(by_call(CLOCK_MONOTONIC) >= ns(end));
	try(clock_gettime(99, &ts));
	try(clock_gettime(-1, &ts));
	is(sched_getcpu() >= 0);
	return 0;
}
