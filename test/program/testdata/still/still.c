/* The time, and again after a while. */
#include "../say.h"
#include <sys/time.h>
#include <time.h>

int main(void)
{
	struct timespec ts;
	struct timeval tv;

	clock_gettime(CLOCK_REALTIME, &ts);
	say("%ld.%09ld", ts.tv_sec, ts.tv_nsec);
	usleep(20000);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
	gettimeofday(&tv, NULL);
	say("%ld.%09ld %ld.%06ld %ld", ts.tv_sec, ts.tv_nsec, tv.tv_sec, tv.tv_usec, time(NULL));
	for (volatile int i = 0; i < 30000000; i++)
		;
	clock_gettime(CLOCK_REALTIME, &ts);
	say("%ld.%09ld", ts.tv_sec, ts.tv_nsec);
	return 0;
}
