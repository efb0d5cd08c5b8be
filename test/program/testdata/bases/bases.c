/* Threads and processes have the bases of their segments to themselves. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int own;
static long bases[8];
static volatile int bad, handled;

static long at_gs(void)
{
	long val;

	asm volatile("movq %%gs:0, %0" : "=r"(val));
	return val;
}

static void handler(int signo)
{
	handled += own;
}

static void *thread(void *arg)
{
	long i, n = (long)arg;
	unsigned long got;

	own = n;
	bases[n] = 1000 + n;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &bases[n]);
	for (i = 0; i < 2000; i++) {
		if (own != n || at_gs() != 1000 + n)
			bad++;
		if (i % 100 == 0)
			sched_yield();
	}
	syscall(SYS_arch_prctl, ARCH_GET_GS, &got);
	if (got != (unsigned long)&bases[n])
		bad++;
	return NULL;
}

int main(void)
{
	pthread_t t[6];
	int i, status;

	own = 7;
	bases[7] = 77;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &bases[7]);
	signal(SIGUSR1, handler);
	for (i = 0; i < 6; i++)
		pthread_create(&t[i], NULL, thread, (void *)(long)i);
	for (i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	raise(SIGUSR1);
	printf("%d wrong, own %d, gs %ld, handled %d\n", bad, own, at_gs(), handled);
	fflush(stdout);
	if (!fork()) {
		own++;
		exit(own == 8 && at_gs() == 77 ? 42 : 1);
	}
	wait(&status);
	printf("child %d, own %d\n", WEXITSTATUS(status), own);
	return 0;
}
