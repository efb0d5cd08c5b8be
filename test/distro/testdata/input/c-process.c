/* Processes, threads, and signals with the whole frame. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SAY(x) do { errno = 0; long r_ = (long)(x); printf("%s: %ld %d\n", #x, r_, errno); fflush(stdout); } while (0)
static volatile int n, depth;
static __thread int own;

static void count(int s) { n++; }
static void info(int s, siginfo_t *i, void *c)
{
	ucontext_t *u = c;
	int here;

	printf("signal %d code %d value %d, flags %d, altstack %d\n", s, i->si_code, i->si_value.sival_int,
	       (int)(u->uc_flags & 6), (char *)&here >= (char *)u->uc_stack.ss_sp && (char *)&here < (char *)u->uc_stack.ss_sp + u->uc_stack.ss_size);
	u->uc_mcontext.gregs[REG_RBX] ^= 0;
	double x = 2.5;
	__asm__ volatile("movsd %0, %%xmm7; fldpi; fstp %%st(0)" : : "m"(x) : "xmm7");
}

static void *thread(void *a)
{
	own = (long)a;
	for (int i = 0; i < 1000; i++) {
		__atomic_add_fetch(&n, 1, 5);
		if (i % 100 == 0)
			sched_yield();
	}
	return (void *)(long)own;
}

static void *sleeper(void *a) { for (;;) pause(); }
static int cloned(void *a) { *(int *)a = 7; return 3; }

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = count };
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
	pthread_t t[16];
	void *r;
	int i, s, sum = 0;

	if (argc > 1) {
		printf("again %d %s\n", argc, argv[1]);
		return 5;
	}
	/* Floating point survives a handler that uses it. */
	sigaltstack(&ss, 0);
	sa.sa_sigaction = info;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGUSR1, &sa, 0);
	sigaction(SIGRTMIN + 3, &sa, 0);
	double x = 1.25;
	__asm__ volatile("movsd %0, %%xmm7" : : "m"(x) : "xmm7");
	syscall(SYS_kill, getpid(), SIGUSR1);
	__asm__ volatile("movsd %%xmm7, %0" : "=m"(x));
	printf("%g\n", x);
	for (i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i });
	/* SA_RESTART, and without. */
	sa.sa_handler = count;
	for (i = 0; i < 2; i++) {
		int p[2];
		char c;

		sa.sa_flags = i ? SA_RESTART : 0;
		sigaction(SIGALRM, &sa, 0);
		pipe(p);
		if (!fork()) {
			usleep(300000);
			write(p[1], "x", 1);
			_exit(0);
		}
		ualarm(100000, 0);
		SAY(read(p[0], &c, 1));
		wait(0);
	}
	SAY(n);
	n = 0;
	for (i = 0; i < 16; i++)
		pthread_create(t + i, 0, thread, (void *)(long)i);
	for (i = 0; i < 16; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("%d %d\n", n, sum);
	pthread_create(t, 0, sleeper, 0);
	pthread_cancel(t[0]);
	pthread_join(t[0], &r);
	SAY(r == PTHREAD_CANCELED);
	/* A robust mutex whose owner dies, in shared memory. */
	pthread_mutexattr_t ma;
	pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, 1);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &ma);
	if (!fork()) {
		pthread_mutex_lock(m);
		_exit(0);
	}
	wait(0);
	SAY(pthread_mutex_lock(m) == EOWNERDEAD);
	pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(m, &ma);
	SAY(pthread_mutex_lock(m));
	/* Children. */
	for (i = 0; i < 10; i++)
		if (!fork())
			_exit(i);
	for (sum = 0; wait(&s) > 0;)
		sum += WEXITSTATUS(s);
	SAY(sum);
	if (!vfork())
		_exit(4);
	wait(&s);
	SAY(WEXITSTATUS(s));
	char *stack = malloc(65536);
	i = 0;
	int pid = clone(cloned, stack + 65536, CLONE_VM | SIGCHLD, &i);
	waitpid(pid, &s, 0);
	printf("%d %d\n", i, WEXITSTATUS(s));
	if (!fork()) {
		execl("/proc/self/exe", "a", "two words", (char *)0);
		_exit(1);
	}
	wait(&s);
	SAY(WEXITSTATUS(s));
	SAY(execl("/etc/passwd", "x", (char *)0));
	SAY(execl("/nonexistent", "x", (char *)0));
	SAY(execl("/etc", "x", (char *)0));
	static const int deadly[] = { SIGKILL, SIGTERM, SIGPIPE, SIGQUIT, SIGSYS };
	for (i = 0; i < 5; i++) {
		if (!(pid = fork())) {
			signal(SIGPIPE, SIG_DFL);
			pause();
		}
		kill(pid, deadly[i]);
		waitpid(pid, &s, 0);
		printf("%d\n", WTERMSIG(s));
	}
	if (!(pid = fork())) {
		raise(SIGSTOP);
		_exit(2);
	}
	waitpid(pid, &s, WUNTRACED);
	SAY(WIFSTOPPED(s) ? WSTOPSIG(s) : 0);
	kill(pid, SIGCONT);
	waitpid(pid, &s, WCONTINUED);
	SAY(WIFCONTINUED(s));
	waitpid(pid, &s, 0);
	SAY(WEXITSTATUS(s));
	/* One that computes must not keep others from running. */
	if (!(pid = fork()))
		for (;;)
			;
	usleep(50000);
	SAY(kill(pid, SIGKILL));
	waitpid(pid, &s, 0);
	/* ptrace(2). */
	if (!(pid = fork())) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		getppid();
		_exit(syscall(SYS_getuid));
	}
	waitpid(pid, &s, 0);
	struct user_regs_struct u;
	SAY(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	for (i = 0; i < 40; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0)
			break;
		waitpid(pid, &s, 0);
		if (!WIFSTOPPED(s))
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &u);
		if (WSTOPSIG(s) == (SIGTRAP | 0x80) && (long)u.rax != -ENOSYS && u.orig_rax == SYS_getuid) {
			u.rax = 42;
			ptrace(PTRACE_SETREGS, pid, 0, &u);
		}
	}
	SAY(WIFEXITED(s) ? WEXITSTATUS(s) : -1);
	/* A context that is made and changed to. */
	static ucontext_t a, b;
	getcontext(&b);
	b.uc_stack = ss;
	b.uc_link = &a;
	makecontext(&b, (void (*)(void))count, 1, 0);
	i = n;
	swapcontext(&a, &b);
	SAY(n - i);
	sem_t sem;
	struct timespec ts;
	sem_init(&sem, 0, 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	SAY(sem_timedwait(&sem, &ts));
	ts.tv_sec += 100;
	sem_post(&sem);
	SAY(sem_timedwait(&sem, &ts));
	return 0;
}
