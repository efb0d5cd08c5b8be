/* Vector state across system calls, signals, forks and preemption. */
#include <immintrin.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int ticks;
static void tick(int s)
{
	ticks++;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pxor %%xmm15, %%xmm15" : : : "xmm0", "xmm15");
}

__attribute__((target("avx2"))) static int wide(int seed)
{
	__m256i a = _mm256_set1_epi32(seed), one = _mm256_set1_epi32(1);

	for (int i = 0; i < 30000000; i++)
		a = _mm256_add_epi32(a, one);
	int out[8];
	_mm256_storeu_si256((void *)out, a);
	for (int i = 1; i < 8; i++)
		if (out[i] != out[0])
			return -1;
	return out[0];
}

static double narrow(void)
{
	double s = 0;

	for (int i = 1; i < 3000000; i++)
		s += sqrt(i) / i;
	return s;
}

int main(void)
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
	double first = narrow();
	int s, bad = 0;

	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &it, 0);
	for (int i = 0; i < 5; i++)
		bad += narrow() != first;
	if (__builtin_cpu_supports("avx2"))
		bad += wide(5) != 30000005;
	for (int i = 0; i < 4; i++)
		if (!fork()) {
			int b = narrow() != first;
			if (__builtin_cpu_supports("avx2"))
				b += wide(i) != 30000000 + i;
			_exit(b);
		}
	while (wait(&s) > 0)
		bad += WEXITSTATUS(s);
	it.it_value.tv_usec = it.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &it, 0);
	printf("%d %d\n", bad, ticks > 3);
	long double l = 1.0L / 3;
	for (int i = 0; i < 1000; i++) {
		getppid();
		sched_yield();
		l = l * 3 / 3;
	}
	printf("%.15Lf\n", l);
	return 0;
}
