/* What a debugger is shown. */
#include <pthread.h>
#include <stdio.h>

static int total;

int twice(int n, double half)
{
	int r = n * 2;

	return r;
}

void *in_thread(void *arg)
{
	return arg;
}

static void fault(void)
{
	*(volatile int *)0x20 = 1;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 1)
		fault();
	total = twice(4, 2.5);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	printf("the sum is %d\n", total);
	return 7;
}
