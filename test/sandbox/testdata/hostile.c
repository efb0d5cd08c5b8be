// A program that attacks the process it runs in: see program_test.go. It knows how stubs are
// laid out (kernel/arch/lkl/include/asm/stub.h), finds their system call instruction, and
// makes the host's calls from there, with registers of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUB_CODE	0x700000000000UL
#define STUB_CODE_SIZE	0x10000UL
#define STUB_DATA	0x700000100000UL
#define STUB_DATA_SIZE	0x8000UL
#define STUB_UC		40		/* offset of lkl_stub_data.uc */
#define STUB_TOP	0x7ffffffff000UL
#define MAPS		(MAP_SHARED | MAP_FIXED | MAP_POPULATE)
#define ELSEWHERE	0x200000000000UL	/* where nothing else is mapped */

static unsigned long gate;		/* a system call instruction of the stub, then ud2 */
static unsigned long memory;		/* bytes of the memory of programs */
static sigjmp_buf back;
static uint64_t seed = 88172645463325252;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* What a call may like: small numbers, descriptors, addresses of all kinds. */
static uint64_t argument(void)
{
	static char buf[65536];
	static const uint64_t some[] = {
		0, 1, 2, 3, 4, 7, 0x1000, 0x8011, -1, -100, STUB_CODE, STUB_DATA,
		STUB_DATA + 0x2000, STUB_TOP, 0x10000000, 0x12000000, ELSEWHERE, 0x6ffffffff000,
	};
	switch (rnd() % 4) {
	case 0: return (uint64_t)buf + rnd() % 32768;
	case 1: return rnd();
	default: return some[rnd() % (sizeof some / sizeof *some)];
	}
}

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void catch(void)
{
	static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE, SIGSYS };
	static char stack[1 << 16];
	const stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER | SA_ONSTACK };

	sigaltstack(&ss, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &sa, NULL);
}

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;

	asm volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static long raw32(int nr, int a, int b, int c)
{
	long ret;
	asm volatile("int $0x80" : "=a"(ret) : "0"((long)nr), "b"((long)a), "c"((long)b), "d"((long)c) : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static volatile long result;

/* The host's call by the stub's own instruction. What follows that is ud2, which leads back. */
static long stub(long nr, long a, long b, long c, long d, long e, long f)
{
	if (sigsetjmp(back, 1) == 0) {
		long ret;
		register long r10 asm("r10") = d;
		register long r8 asm("r8") = e;
		register long r9 asm("r9") = f;
		/* the result is seen by the handler of ud2 only: take it from the frame */
		asm volatile("jmp *%%rbx" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), "b"(gate)
			     : "rcx", "r11", "memory");
		__builtin_unreachable();
	}
	return result;
}

static void on_ill(int sig, siginfo_t *info, void *uc)
{
	result = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX];
	siglongjmp(back, sig);
}

static void find_gate(void)
{
	const struct sigaction sa = { .sa_sigaction = on_ill, .sa_flags = SA_NODEFER | SA_SIGINFO };

	for (unsigned long p = STUB_CODE + 0x1000; p < STUB_CODE + 0x2000; p++)
		if (!memcmp((void *)p, "\x0f\x05\x0f\x0b", 4))
			gate = p;
	if (!gate) {
		puts("no gate");
		exit(99);
	}
	sigaction(SIGILL, &sa, NULL);
}

/* Calls of the guest that end the test, or that nobody comes back from. */
static int is_harmful(long nr)
{
	switch (nr & ~0x40000000) {
	case SYS_reboot: case SYS_pause: case SYS_rt_sigsuspend: case SYS_exit: case SYS_exit_group:
	case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_kill: case SYS_tkill: case SYS_tgkill:
	case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_select: case SYS_pselect6: case SYS_poll: case SYS_ppoll:
	case SYS_rt_sigtimedwait: case SYS_wait4: case SYS_waitid: case SYS_epoll_wait: case SYS_epoll_pwait:
	case SYS_rt_sigprocmask: case SYS_rt_sigaction: case SYS_sigaltstack: case SYS_rt_sigreturn: case SYS_futex:
	case SYS_munmap: case SYS_mprotect: case SYS_mremap: case SYS_brk: case SYS_mmap: case SYS_setrlimit: case SYS_prlimit64:
	case SYS_arch_prctl: case SYS_vhangup: case SYS_execve: case SYS_read: case SYS_flock: case SYS_set_tid_address:
		return 1;
	}
	return 0;
}

/* Every call in a child, so that what it does to itself ends there. */
static void in_child(void (*f)(long), long arg)
{
	int status, pid = fork();

	if (pid == 0) {
		alarm(2);
		seed += arg * 2654435761u;
		f(arg);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
}

static void some_calls(long first)
{
	catch();
	for (long nr = first; nr < first + 16; nr++)
		for (int i = 0; i < 4; i++) {
			long x32 = i & 1 ? 0x40000000 : 0;

			if (is_harmful(nr))
				continue;
			if (sigsetjmp(back, 1) == 0)
				raw(nr | x32, argument(), argument(), argument(), argument(), argument(), argument());
			if (sigsetjmp(back, 1) == 0)
				raw32(nr, argument(), argument(), argument());
		}
}

static void some_jumps(long first)
{
	catch();
	find_gate();
	for (long nr = first; nr < first + 16; nr++)
		for (int i = 0; i < 4; i++)
			if (!is_harmful(nr) || nr == SYS_mmap || nr == SYS_munmap)
				stub(nr | (i & 1 ? 0x40000000 : 0), argument(), argument(), argument(), argument(), argument(), argument());
}

/* What the stub's calls must refuse, whatever happens besides. */
static void ranges(void)
{
	static const struct { unsigned long addr, len; } bad[] = {
		{ STUB_CODE, 0x1000 }, { STUB_CODE - 0x1000, 0x2000 }, { STUB_CODE - 0x1000, 0x1001 },
		{ STUB_CODE - 0x200000, 0x300000 }, { 0, STUB_CODE + 0x1000 }, { 0x1000, STUB_CODE },
		{ 0x6fff80000000, 0x80001000 }, { 0x6fffffffe000, 0x100002000 }, { STUB_DATA, 0x1000 },
		{ STUB_DATA + STUB_DATA_SIZE, 0x1000 }, { STUB_TOP - 0x1000, 0x1000 }, { 0x1000, -0x1000L },
		{ -0x1000L, 0x2000 }, { 0xffffffffff600000, 0x1000 }, { 0x6fffffffffff, 0x100000000000 },
		{ 0xffffffff00000000, 0x200000000 }, { 0xffffffff00001000, 0x00010000ffffffff },
	};
	unsigned char code[STUB_CODE_SIZE];
	long got;

	find_gate();
	memcpy(code, (void *)(STUB_CODE + 0x1000), 0x1000);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (int prot = 0; prot < 8; prot++) {
			got = stub(SYS_mmap, bad[i].addr, bad[i].len, prot, MAPS, 0, 0);
			if (got >= 0)
				printf("mmap %lx %lx %d: %lx\n", bad[i].addr, bad[i].len, prot, got);
		}
		if (bad[i].addr < 0x1000)
			continue;	/* the guest's munmap, which it becomes, would do that */
		got = stub(SYS_munmap, bad[i].addr, bad[i].len, 0, 0, 0, 0);
		if (got >= 0 && bad[i].addr >= STUB_CODE)
			printf("munmap %lx %lx: %lx\n", bad[i].addr, bad[i].len, got);
	}
	if (memcmp(code, (void *)(STUB_CODE + 0x1000), 0x1000))
		puts("the stub's code has changed");
	for (int fd = 1; fd < 16; fd++)
		if ((got = stub(SYS_mmap, ELSEWHERE, 4096, 3, MAPS, fd, 0)) >= 0)
			printf("mmap of descriptor %d: %lx\n", fd, got);
	/* and what they let through works: else nothing was tried above */
	if ((got = stub(SYS_mmap, ELSEWHERE, 0x2000, 3, MAPS, 0, 0)) != (long)ELSEWHERE)
		printf("mmap: %ld\n", got);
	if ((got = stub(SYS_munmap, ELSEWHERE, 0x2000, 0, 0, 0, 0)) != 0)
		printf("munmap: %ld\n", got);
	if ((got = stub(SYS_mmap, STUB_CODE - 0x2000, 0x1000, 3, MAPS, 0, 0)) != (long)STUB_CODE - 0x2000)
		printf("mmap below the stub: %ld\n", got);
	puts("done");
}

/* All memory of programs, mapped past the kernel. */
static unsigned char *map_all(void)
{
	find_gate();
	if (stub(SYS_mmap, ELSEWHERE, memory + 4096, 3, MAPS, 0, 0) != (long)ELSEWHERE) {
		puts("cannot map");
		exit(98);
	}
	return (void *)ELSEWHERE;
}

/* The data of all stubs, this one's as well if @own: where a page looks like it. */
static void forge_stubs(int own, double seconds)
{
	unsigned char *all = map_all();
	unsigned long found[256], n = 0, uc = *(unsigned long *)(STUB_DATA + STUB_UC);

	for (unsigned long off = 0; off + STUB_DATA_SIZE <= memory && n < 256; off += 0x1000)
		if (*(unsigned long *)(all + off + STUB_UC) == uc)
			found[n++] = off;
	printf("%lu stubs\n", n);
	fflush(stdout);
	for (unsigned long i = 0, max = seconds * 3e6; i < max; i++) {
		unsigned char *d = all + found[rnd() % n];
		if (!own && ((unsigned long *)d)[6] == ((unsigned long *)STUB_DATA)[6] && !memcmp(d, (void *)STUB_DATA, 256))
			continue;
		switch (rnd() % 4) {
		case 0: ((uint32_t *)d)[rnd() % 24] = rnd() % 3; break;
		case 1: ((uint32_t *)d)[rnd() % 24] = rnd(); break;
		case 2: ((uint64_t *)d)[rnd() % 4096] = argument(); break;
		case 3: ((uint64_t *)d)[512 + rnd() % 3584] = rnd() % 64; break;
		}
	}
}

/* struct lkl_stubs: what the spawner is asked for, and says. */
static void forge_spawner(double seconds)
{
	uint32_t *page = (void *)(map_all() + memory);

	for (unsigned long i = 0, max = seconds * 1e6; i < max; i++) {
		switch (rnd() % 3) {
		case 0: page[2 + rnd() % 256] = rnd() % 4; break;
		case 1: page[2 + rnd() % 256] = rnd(); break;
		case 2: ((uint64_t *)page)[1 + 2 * (rnd() % 64) + 1] = rnd() % (memory >> 12) << 12; break;
		}
		if (rnd() % 64 == 0) {
			page[0]++;
			stub(SYS_futex, ELSEWHERE + memory, 1, 1 << 30, 0, 0, 0);
		}
	}
}

/* rt_sigreturn of the host, with a frame that blocks all signals. */
static void block_signals(void (*then)(void))
{
	static struct { ucontext_t uc; char fp[4096]; } frame;
	static char stack[1 << 16];

	find_gate();
	memset(&frame, 0, sizeof frame);
	getcontext(&frame.uc);
	memset(&frame.uc.uc_sigmask, 0xff, sizeof frame.uc.uc_sigmask);
	frame.uc.uc_flags = 0;
	frame.uc.uc_mcontext.fpregs = NULL;
	frame.uc.uc_mcontext.gregs[REG_RIP] = (long)then;
	frame.uc.uc_mcontext.gregs[REG_RSP] = ((long)stack + sizeof stack) & -64;
	frame.uc.uc_mcontext.gregs[REG_EFL] = 0x202;
	frame.uc.uc_mcontext.gregs[REG_CSGSFS] = 0x33 | 0x2bL << 48;
	asm volatile("mov %0, %%rsp\n\tjmp *%1" :: "r"(&frame.uc), "r"(gate), "a"(SYS_rt_sigreturn));
	__builtin_unreachable();
}

static void spin(void)
{
	for (;;)
		asm volatile("pause");
}

static void sleep_forever(void)
{
	static int word;

	asm volatile("jmp *%0" :: "r"(gate), "a"(SYS_futex), "D"(&word), "S"(0L), "d"(0L), "r"(0L));
	__builtin_unreachable();
}

/* It gives its turn to the kernel, and goes on all the same. */
static void fake_turns(double seconds)
{
	volatile uint32_t *d = (void *)STUB_DATA;

	for (unsigned long i = 0, max = seconds * 1e6; i < max; i++) {
		d[5] = "\x04\x05\x07\x08\x0b\x1a\x1f\x00"[rnd() % 8];
		d[6] = rnd();
		if (rnd() % 2)
			((volatile uint64_t *)(STUB_DATA + 0x2000))[rnd() % 3072] = rnd() % 3 ? argument() : rnd();
		d[0] = 0;
		for (int j = 0; j < 200 && d[0] == 0; j++)
			asm volatile("pause");
	}
}

static void touch_all(void)
{
	catch();
	for (volatile unsigned long p = 0x1000; p < 0x7fffffffffff; p += p < 0x100000000 ? 0x10000 : p >> 12 & -4096UL) {
		if (sigsetjmp(back, 1) == 0)
			(void)*(volatile char *)p;
	}
	for (volatile unsigned long p = STUB_CODE; p < STUB_CODE + STUB_CODE_SIZE; p += 8)
		if (sigsetjmp(back, 1) == 0)
			*(volatile long *)p = rnd();
	puts("done");
	fflush(stdout);
	for (unsigned long i = 0; i < 100000; i++)
		if (sigsetjmp(back, 1) == 0)
			((volatile uint64_t *)STUB_DATA)[rnd() % (STUB_DATA_SIZE / 8)] = argument();
}

/* All memory, again and again, as far as the host lets it: each time has page tables of its own. */
static void page_tables(void)
{
	unsigned long n = 0;

	find_gate();
	for (unsigned long p = ELSEWHERE; n < 100 && stub(SYS_mmap, p, memory, 1, MAPS, 0, 0) >= 0; p += memory)
		n++;
	printf("%lu times\n", n);
}

int main(int argc, char **argv)
{
	const char *what = argv[1];
	double seconds = argc > 3 ? atof(argv[3]) : 1;

	memory = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "calls"))
		for (long nr = 0; nr < 512; nr += 16)
			in_child(some_calls, nr);
	else if (!strcmp(what, "jumps"))
		for (long nr = 0; nr < 512; nr += 16)
			in_child(some_jumps, nr);
	else if (!strcmp(what, "ranges"))
		ranges();
	else if (!strcmp(what, "stubs"))
		forge_stubs(1, seconds);
	else if (!strcmp(what, "others"))
		forge_stubs(0, seconds);
	else if (!strcmp(what, "spawner"))
		forge_spawner(seconds);
	else if (!strcmp(what, "spin"))
		block_signals(spin);
	else if (!strcmp(what, "sleep"))
		block_signals(sleep_forever);
	else if (!strcmp(what, "turns"))
		fake_turns(seconds);
	else if (!strcmp(what, "touch"))
		touch_all();
	else if (!strcmp(what, "tables"))
		page_tables();
	else if (!strcmp(what, "exit")) {
		find_gate();
		stub(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	} else
		return 97;
	puts("end");
	return 0;
}
