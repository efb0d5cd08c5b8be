/* A program that steps itself, by the trap flag. */
#include "say.h"

static volatile int steps;
static int codes;

static void handler(int sig, siginfo_t *si, void *context)
{
	steps++;
	codes |= 1 << si->si_code;
}

int main(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO, .sa_sigaction = handler };

	sigaction(SIGTRAP, &sa, NULL);
	asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
		     "nop; nop; nop; nop\n"
		     "movl $39, %%eax; syscall\n"
		     "nop; nop\n"
		     "pushf; andl $~0x100, (%%rsp); popf" ::: "rax", "rcx", "r11", "memory", "cc");
	say("%d steps, codes %#x", steps, codes);
	return 0;
}
