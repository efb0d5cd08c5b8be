/* The page by which programs of long ago ask for the time. */
#include "say.h"
#include <sys/time.h>

int main(void)
{
	int (*old_gettimeofday)(struct timeval *, void *) = (void *)0xffffffffff600000;
	long (*old_time)(long *) = (void *)0xffffffffff600400;
	long (*old_getcpu)(unsigned *, unsigned *, void *) = (void *)0xffffffffff600800;
	struct timeval tv, now;
	unsigned cpu = 77, node = 77;
	long t = 0;

	say("%d", old_gettimeofday(&tv, NULL));
	gettimeofday(&now, NULL);
	is(now.tv_sec - tv.tv_sec <= 1);
	is(old_time(&t) == t && t - tv.tv_sec <= 1);
	is(old_getcpu(&cpu, &node, NULL) == 0 && cpu < 4096);
	child(((void (*)(void))0xffffffffff600123)());
	child(((void (*)(void))0xffffffffff601000)());
	child(old_time((long *)8));
	return 0;
}
