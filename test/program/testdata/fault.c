/* Faults: what a handler is told, and how they end without one. */
#include "say.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile char *at;

static void handler(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	greg_t *r = uc->uc_mcontext.gregs;

	say("SIG%s code %d, trap %lld, error %#llx", sigabbrev_np(sig), si->si_code,
	    r[REG_TRAPNO], r[REG_ERR]);
	if (sig == SIGSEGV || sig == SIGBUS)
		say(" at the address: %s, cr2: %s", (char *)si->si_addr == at ? "yes" : "no",
		    (char *)r[REG_CR2] == at ? "yes" : "no");
	else
		say(" at its instruction: %s", (long)si->si_addr == r[REG_RIP] ? "yes" : "no");
	siglongjmp(back, 1);
}

#define fault(what)							\
	do {								\
		say("%s", #what);					\
		if (!sigsetjmp(back, 1))				\
			what;						\
	} while (0)

static volatile int zero;

static void divide(void)
{
	zero = 10 / zero;
}

static void jump(void *to)
{
	((void (*)(void))to)();
}

static void cannot(void)
{
	fault(*at);
	fault(*at = 1);
	fault(jump((void *)at));
}

/* Recursion, until there is no stack. */
static __attribute__((noinline)) long deep(long n)
{
	volatile char page[4096];

	memset((void *)page, n, sizeof(page));
	return deep(n + 1) + page[17];
}

static void overflow(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = handler };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	at = NULL;
	if (!sigsetjmp(back, 1))
		say("%ld", deep(0));
	say("back from the end of the stack");
}

int main(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_NODEFER, .sa_sigaction = handler };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	for (unsigned i = 0; i < 5; i++)
		sigaction(signals[i], &sa, NULL);
	at = NULL;
	cannot();
	munmap(page + 4096, 4096);
	at = page + 4096 + 5;
	cannot();
	at = page;
	mprotect(page, 4096, PROT_READ);
	say("%d", *at);
	cannot();
	mprotect(page, 4096, PROT_NONE);
	cannot();
	mprotect(page, 4096, PROT_EXEC | PROT_READ);
	fault(*at = 1);
	at = (char *)0xffffffff81000000;
	cannot();
	at = NULL;
	fault(*(volatile char *)0x8000000000000000);
	fault(divide());
	fault(asm volatile("ud2"));
	fault(asm volatile("int3"));
	fault(asm volatile("hlt"));
	fault(asm volatile("int1"));

	/* beyond a file's end */
	fd = open("/tmp/unboot-fault-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unlink("/tmp/unboot-fault-file");
	try(ftruncate(fd, 100));
	page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	page[99] = 1;
	page[100] = 1;
	at = page + 4096;
	fault(*at);
	fault(*at = 1);
	try(ftruncate(fd, 8192));
	fault(*at = 1);
	try(ftruncate(fd, 0));
	at = page;
	fault(*at);

	child(overflow());
	for (unsigned i = 0; i < 5; i++)
		signal(signals[i], SIG_DFL);
	child(*(volatile char *)0 = 1);
	child(divide());
	child(asm volatile("ud2"));
	child(asm volatile("int3"));
	child(*at);
	child(abort());
	child(deep(0));
	child(signal(SIGSEGV, SIG_IGN); *(volatile char *)0 = 1);
	return 0;
}
