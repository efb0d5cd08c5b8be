/* Signals: frames, stacks, state of the FPU, calls that begin anew. */
#include "say.h"
#include <immintrin.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t got;
static char stack[65536];

static void count(int sig) { got++; }

/* Registers that a handler uses for itself are as they were when it has returned. */
static void spoil(int sig)
{
	asm volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15; fldz; fstp %%st(0)\n"
		     ::: "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx"))
		asm volatile("vzeroall" ::: "memory");
	got++;
}

static void sse(void)
{
	double in[2] = { 3.25, -7.5 }, out[2];
	long pid = getpid();

	signal(SIGUSR1, spoil);
	asm volatile("movupd %1, %%xmm7; fldpi\n"
		     "movl $62, %%eax; movl $10, %%esi; movq %2, %%rdi; syscall\n"
		     "movupd %%xmm7, %0; fstp %%st(0)"
		     : "=m"(out) : "m"(in), "r"(pid) : "rax", "rcx", "r11", "rdi", "rsi", "memory", "xmm7");
	say("xmm7 %g %g after %d", out[0], out[1], got);
}

static __attribute__((target("avx"))) void avx(void)
{
	double in[4] = { 1.5, 2.5, 3.5, 4.5 }, out[4];
	long pid = getpid();

	asm volatile("vmovupd %1, %%ymm9\n"
		     "movl $62, %%eax; movl $10, %%esi; movq %2, %%rdi; syscall\n"
		     "vmovupd %%ymm9, %0; vzeroupper"
		     : "=m"(out) : "m"(in), "r"(pid) : "rax", "rcx", "r11", "rdi", "rsi", "memory", "xmm9");
	say("ymm9 %g %g %g %g", out[0], out[1], out[2], out[3]);
}

/* What a handler changes in its frame is so afterwards. */
static void change(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	double two[2] = { 11, 22 };

	memcpy(&uc->uc_mcontext.fpregs->_xmm[7], two, sizeof(two));
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234567890;
	/* the upper half of ymm7 lies behind xsave's header; it is in use then */
	uc->uc_mcontext.fpregs->mxcsr ^= 0x8000;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void changed(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO, .sa_sigaction = change };
	double in[2] = { 3.25, -7.5 }, out[2];
	long pid = getpid(), rbx;
	unsigned before = _mm_getcsr();
	sigset_t set;

	sigaction(SIGUSR1, &sa, NULL);
	asm volatile("movupd %2, %%xmm7; movq $7, %%rbx\n"
		     "movl $62, %%eax; movl $10, %%esi; movq %3, %%rdi; syscall\n"
		     "movupd %%xmm7, %0; movq %%rbx, %1"
		     : "=m"(out), "=r"(rbx) : "m"(in), "r"(pid)
		     : "rax", "rbx", "rcx", "r11", "rdi", "rsi", "memory", "xmm7");
	say("xmm7 %g %g rbx %#lx mxcsr %#x", out[0], out[1], rbx, before ^ _mm_getcsr());
	_mm_setcsr(before);
	sigprocmask(0, NULL, &set);
	is(sigismember(&set, SIGUSR2));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static void where(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	char here;

	say("SIG%s code %d on the other stack: %s, flags %d, size %zu", sigabbrev_np(sig), si->si_code,
	    &here > stack && &here < stack + sizeof(stack) ? "yes" : "no",
	    uc->uc_stack.ss_flags, uc->uc_stack.ss_size);
	if (sig == SIGUSR1)
		raise(SIGUSR2);
}

static void stacks(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = where };

	try(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	try(sigaltstack(NULL, &old));
	say("%d %zu", old.ss_flags, old.ss_size);
	ss.ss_flags = SS_DISABLE;
	try(sigaltstack(&ss, NULL));
	ss.ss_flags = 0;
	ss.ss_size = 100;
	try(sigaltstack(&ss, NULL));
	/* no room for a frame: it dies of it */
	child(ss.ss_size = 2048; ss.ss_sp = stack; sigaltstack(&ss, NULL); sa.sa_flags = SA_ONSTACK | SA_SIGINFO;
	      sigaction(SIGSEGV, &sa, NULL); sigaction(SIGUSR1, &sa, NULL);
	      stack_t now; sigaltstack(NULL, &now); if (now.ss_flags & SS_DISABLE) raise(SIGSEGV); raise(SIGUSR1));
	/* nor for the vector registers alone, with memory below it */
	child(ss.ss_size = 2048; ss.ss_sp = stack + sizeof(stack) - 2048; try(sigaltstack(&ss, NULL));
	      sa.sa_flags = SA_ONSTACK | SA_SIGINFO; sigaction(SIGUSR1, &sa, NULL); raise(SIGUSR1));
}

static void *kill_later(void *arg)
{
	usleep(30000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void *write_later(void *arg)
{
	usleep(30000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	usleep(30000);
	if (write(((int *)arg)[3], "x", 1) != 1)
		say("cannot write");
	return NULL;
}

static void restarts(void)
{
	struct { pthread_t t; int fd[2]; } a;
	struct sigaction sa = { .sa_handler = count };
	struct timespec ts = { 0, 80000000 }, left;
	pthread_t t;
	char c;

	a.t = pthread_self();
	if (pipe(a.fd))
		exit(1);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&t, NULL, kill_later, &a);
	try(read(a.fd[0], &c, 1));
	pthread_join(t, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&t, NULL, write_later, &a);
	try(read(a.fd[0], &c, 1));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, kill_later, &a);
	try(nanosleep(&ts, &left));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, kill_later, &a);
	try(pause());
	pthread_join(t, NULL);
}

static void masks(void)
{
	sigset_t set, old;
	siginfo_t si;
	struct timespec none = { 0, 0 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 5 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 6 });
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	while (sigtimedwait(&set, &si, &none) > 0)
		say("SIG%d code %d value %d", si.si_signo, si.si_code, si.si_code == SI_QUEUE ? si.si_value.sival_int : 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void timers(void)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, none = { };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec its = { { 0, 2000000 }, { 0, 2000000 } };
	struct sigaction sa = { .sa_handler = count };
	timer_t timer;

	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		static const int signals[] = { SIGALRM, SIGVTALRM, SIGPROF };

		sigaction(signals[which], &sa, NULL);
		got = 0;
		setitimer(which, &it, NULL);
		while (got < 5)
			;
		setitimer(which, &none, NULL);
		say("timer %d", which);
	}
	sigaction(SIGUSR2, &sa, NULL);
	try(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	got = 0;
	try(timer_settime(timer, 0, &its, NULL));
	while (got < 5)
		;
	try(timer_delete(timer));
	try(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &timer));
	got = 0;
	try(timer_settime(timer, 0, &its, NULL));
	while (got < 3)
		;
	say("counted");
}

int main(void)
{
	sse();
	if (__builtin_cpu_supports("avx"))
		avx();
	changed();
	stacks();
	restarts();
	masks();
	timers();
	child(signal(SIGTERM, SIG_DFL); raise(SIGTERM));
	child(kill(getpid(), SIGKILL));
	return 0;
}
