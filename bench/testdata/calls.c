/*
 * Prints what single things cost a program, in nanoseconds, each the least of some rounds:
 *
 *   cc -O2 -static -o calls calls.c && ./calls
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double calls(char *self)
{
	double start = now();

	for (int i = 0; i < 2000; i++)
		syscall(SYS_getppid);
	return (now() - start) / 2000;
}

/* Touches n pages: every one, or one of 64, so that none comes with another. */
static double faults(int n, int every)
{
	size_t len = (size_t)n * every * 4096;
	char *p = mmap(0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double start = now();

	for (size_t i = 0; i < len; i += (size_t)every * 4096)
		p[i] = 1;
	start = now() - start;
	munmap(p, len);
	return start / n;
}

static double single(char *self) { return faults(200, 64); }
static double row(char *self) { return faults(4096, 1); }

static double spawn(char *self)
{
	double start = now();

	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execl(self, self, "-", NULL);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	return (now() - start) / 50;
}

static void say(const char *name, double (*f)(char *), char *self)
{
	double least = 1e18;

	for (int i = 0; i < 7; i++) {
		double d = f(self);

		if (d < least)
			least = d;
	}
	printf("%s %.0f\n", name, least);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	say("call", calls, argv[0]);
	say("fault", single, argv[0]);
	say("faults", row, argv[0]);
	say("spawn", spawn, argv[0]);
	return 0;
}
