/* Threads, and what children are made of. */
#include "say.h"
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static __thread long own = 5;

static void *add(void *arg)
{
	double x = (long)arg;

	own += (long)arg;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		x = x * 1.0000001;
		if (i % 1000 == 0)
			sched_yield();
	}
	return (void *)(own + (x > (long)arg ? 100 : 0) * ((long)arg > 0));
}

static void threads(void)
{
	pthread_t t[8];
	long sum = 0;

	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, add, (void *)i);
	for (int i = 0; i < 8; i++) {
		void *ret;

		pthread_join(t[i], &ret);
		sum += (long)ret;
	}
	say("%ld %ld %ld", counter, sum, own);
}

static int turn;

static void *ping(void *arg)
{
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 500; i++) {
		while (turn != (long)arg)
			pthread_cond_wait(&cond, &mutex);
		turn = 1 - (long)arg;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void turns(void)
{
	pthread_t t[2];

	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, ping, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	say("%d", turn);
}

static void *exits(void *arg)
{
	exit(9);
}

static void *execs(void *arg)
{
	execl("/proc/self/exe", "thread", "x", NULL);
	return NULL;
}

static void *faults(void *arg)
{
	*(volatile char *)8 = 1;
	return NULL;
}

static void ends(void)
{
	pthread_t t;

	child(pthread_create(&t, NULL, exits, NULL); pause());
	child(pthread_create(&t, NULL, execs, NULL); pause());
	child(pthread_create(&t, NULL, faults, NULL); pause());
	child(pthread_exit(NULL));
}

/* vfork(2): the parent waits, and sees what the child has written. */
static void vforks(void)
{
	volatile int x = 0;
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		x = 5;
		usleep(2000);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	say("%d %d", x, WEXITSTATUS(status));
}

static int stacked(void *arg)
{
	return *(int *)arg + 1;
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int n = 20, status, pidfd = -1, tid = 0;
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .exit_signal = SIGCHLD,
				   .pidfd = (long)&pidfd, .parent_tid = (long)&tid };
	siginfo_t si;
	pid_t pid;

	pid = clone(stacked, stack + sizeof(stack), CLONE_VM | SIGCHLD, &n);
	waitpid(pid, &status, 0);
	say("%d", WEXITSTATUS(status));
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(12);
	is(pid == tid && pidfd >= 0);
	try(waitid(P_PIDFD, pidfd, &si, WEXITED));
	say("%d code %d", si.si_status, si.si_code);
	args = (struct clone_args){ .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };
	may(syscall(SYS_clone3, &args, 8));
	args.flags = CLONE_THREAD;
	may(syscall(SYS_clone3, &args, sizeof(args)));
}

static void segments(void)
{
	static long here = 77, there = 88;
	unsigned long got = 0;
	long val;

	try(syscall(SYS_arch_prctl, ARCH_SET_GS, &here));
	asm("movq %%gs:0, %0" : "=r"(val));
	try(syscall(SYS_arch_prctl, ARCH_GET_GS, &got));
	is(got == (unsigned long)&here);
	say("%ld", val);
	child(asm("movq %%gs:0, %0" : "=r"(val)); say("%ld", val));
	if (getauxval(AT_HWCAP2) & 2) {
		asm("wrgsbase %0" :: "r"(&there));
		sched_yield();
		asm("movq %%gs:0, %0" : "=r"(val));
		say("%ld", val);
		try(syscall(SYS_arch_prctl, ARCH_GET_GS, &got));
		is(got == (unsigned long)&there);
	}
	try(syscall(SYS_arch_prctl, ARCH_SET_GS, -4096L));
	try(syscall(SYS_arch_prctl, ARCH_SET_FS, 1L << 62));
	try(syscall(SYS_arch_prctl, 0x7777, 0));
}

static void sequences(void)
{
	struct rseq *r = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	is(__rseq_size > 0);
	is(r->cpu_id == (unsigned)sched_getcpu() || sched_getcpu() >= 0);
	is(r->cpu_id < 4096);
	is(getauxval(AT_RSEQ_FEATURE_SIZE) >= 20);
	is(getauxval(AT_RSEQ_ALIGN) >= 32);
}

static void nothing(int sig) { }

/* A critical section that a signal ends: it goes on where that says. */
static void aborts(void)
{
	struct rseq *r = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	struct itimerval it = { { 0, 0 }, { 0, 5000 } };

	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &it, NULL);
	asm volatile goto(
		".pushsection __rseq_cs, \"aw\"; .balign 32\n"
		"3: .long 0, 0; .quad 1f, 2f - 1f, 4f; .popsection\n"
		"leaq 3b(%%rip), %%rax; movq %%rax, %0\n"
		"1: movq $3000000000, %%rcx\n"
		"5: decq %%rcx; jnz 5b\n"
		"2: jmp %l[done]\n"
		".pushsection __rseq_failure, \"ax\"; .byte 0x0f, 0xb9, 0x3d; .long 0x53053053\n"
		"4: jmp %l[abort]; .popsection"
		:: "m"(r->rseq_cs) : "rax", "rcx", "memory" : done, abort);
abort:
	say("ended");
	return;
done:
	say("not ended");
}

#include <linux/membarrier.h>
static void others(void)
{
	cpu_set_t set;
	char name[16] = "";

	CPU_ZERO(&set);
	is(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0);
	is(sysconf(_SC_NPROCESSORS_ONLN) > 0);
	try(prctl(PR_SET_NAME, "another"));
	try(prctl(PR_GET_NAME, name));
	say("%s", name);
	may(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
	may(syscall(SYS_set_robust_list, NULL, 24));
	try(syscall(SYS_futex, &turn, FUTEX_WAIT, turn + 1, NULL, NULL, 0));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 33;
	threads();
	turns();
	ends();
	vforks();
	clones();
	segments();
	sequences();
	aborts();
	others();
	return 0;
}
