/* Forks that fail: what the one who forks has is left alone. */
#include "say.h"
#include <sys/resource.h>
#include <sys/socket.h>

#define MESSAGES 16

static char message[3500], got[3500];

static int sends(int fd, int seed)
{
	int good = 1;

	memset(message, seed, sizeof(message));
	for (int i = 0; i < MESSAGES; i++)
		good &= send(fd, message, sizeof(message), 0) == sizeof(message);
	return good;
}

static int receives(int fd, int seed)
{
	int good = 1;

	memset(message, seed, sizeof(message));
	for (int i = 0; i < MESSAGES; i++)
		good &= recv(fd, got, sizeof(got), MSG_DONTWAIT) == sizeof(got) && !memcmp(got, message, sizeof(got));
	return good;
}

/* A user with more processes than he may have: what fork() does then, with vector registers in use. */
static int fails(unsigned long seed)
{
	unsigned long in[4] = { seed, ~seed, seed * 3, seed * 5 }, out[4];
	long ret;

	if (setresuid(54321, 54321, 54321) || setrlimit(RLIMIT_NPROC, &(struct rlimit){ 0, 0 }))
		return 0;
	asm volatile("movdqu (%1), %%xmm7\n\tmovdqu 16(%1), %%xmm8\n\t"
		     "mov $57, %%eax\n\tsyscall\n\t"	/* fork() */
		     "movdqu %%xmm7, (%2)\n\tmovdqu %%xmm8, 16(%2)"
		     : "=&a" (ret) : "r" (in), "r" (out) : "rcx", "r11", "xmm7", "xmm8", "memory");
	if (ret == 0)
		_exit(1);
	return ret == -EAGAIN && !memcmp(in, out, sizeof(in));
}

int main(void)
{
	int a[2], b[2], good = 0, status;

	try(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a));
	try(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b));
	/* what each of them sends is in memory of the kernel's when it is gone */
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		int ok;

		if (pid == 0)
			_exit(fails(i * 0x9e3779b97f4a7c15) && sends(a[0], i) ? 0 : 1);
		ok = waitpid(pid, &status, 0) == pid && status == 0;
		ok &= sends(b[0], i + 1);
		ok &= receives(a[1], i);
		ok &= receives(b[1], i + 1);
		good += ok;
	}
	say("%d", good);
	return 0;
}
