/* ptrace(2): registers, words, steps, calls. */
#include "say.h"
#include <elf.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <linux/ptrace.h>

static volatile long cell = 42;
static pid_t pid;

static int wait_stop(void)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		exit(9);
	if (WIFEXITED(status))
		say("exited %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say("killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		say("stopped: %#x", status >> 8);
	return status;
}

static void start(void (*f)(void))
{
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		f();
		_exit(3);
	}
	wait_stop();
}

static void add(void)
{
	register long a asm("r12") = 5;
	double d[2] = { 1.25, 2.5 };

	asm volatile("movupd %1, %%xmm6; int3; nop; nop; addq $1, %0; movl $110, %%eax; syscall; nop; int3"
		     : "+r"(a) : "m"(d) : "rax", "rcx", "r11", "xmm6", "memory");
	_exit(a == 78 ? 0 : 1);
}

static void registers(void)
{
	struct user_regs_struct r;
	struct user_fpregs_struct fp;
	static char x[16384];
	struct iovec v = { &r, sizeof(r) };
	siginfo_t si;
	double d[2];

	start(add);
	ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();
	try(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("SIG%s code %d", sigabbrev_np(si.si_signo), si.si_code);
	try(ptrace(PTRACE_GETREGS, pid, 0, &r));
	say("r12 %lld cs %#llx ss %#llx ds %lld es %lld fs %lld gs %lld orig %lld flags %#llx", r.r12, r.cs, r.ss,
	    r.ds, r.es, r.fs, r.gs, r.orig_rax, r.eflags & 0x300);
	is(r.fs_base == (unsigned long)__builtin_thread_pointer());
	is(r.gs_base == 0);
	say("r12 by PEEKUSER %ld", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.r12), 0));
	try(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.r12), 7));
	memset(&r, 0, sizeof(r));
	try(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v));
	say("r12 %lld of %zu bytes", r.r12, v.iov_len);
	r.r12 = 76;
	try(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v));
	v.iov_len = 24;
	try(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v));
	say("%zu bytes", v.iov_len);
	v.iov_len = 7;
	try(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v));
	v.iov_len = 8;
	try(ptrace(PTRACE_GETREGSET, pid, 0x12345, &v));
	r.cs = 0;
	try(ptrace(PTRACE_SETREGS, pid, 0, &r));
	try(ptrace(PTRACE_GETREGS, pid, 0, &r));
	r.fs_base = 0xffffffff81000000;
	try(ptrace(PTRACE_SETREGS, pid, 0, &r));
	try(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[0]), 0));
	try(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[7]), 0));
	try(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0));
	try(ptrace(PTRACE_PEEKUSER, pid, 3, 0));
	try(ptrace(PTRACE_PEEKUSER, pid, 100000, 0));
	try(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, signal), 0));
	say("cell %ld", ptrace(PTRACE_PEEKDATA, pid, &cell, 0));
	try(ptrace(PTRACE_POKEDATA, pid, &cell, 17));
	say("cell %ld, here %ld", ptrace(PTRACE_PEEKDATA, pid, &cell, 0), cell);
	try(ptrace(PTRACE_PEEKDATA, pid, 8, 0));

	try(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	memcpy(d, &fp.xmm_space[6 * 4], sizeof(d));
	say("xmm6 %g %g mxcsr %#x cwd %#x", d[0], d[1], fp.mxcsr, fp.cwd);
	d[0] = 9;
	memcpy(&fp.xmm_space[6 * 4], d, sizeof(d));
	try(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
	v = (struct iovec){ x, sizeof(x) };
	if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v) == 0) {
		memcpy(d, x + 160 + 6 * 16, sizeof(d));
		say("xmm6 %g %g, features %#lx", d[0], d[1], *(long *)(x + 464) & 7);
		is(((*(long *)(x + 512) & ~*(long *)(x + 464))) == 0);
		d[0] = 10;
		memcpy(x + 160 + 6 * 16, d, sizeof(d));
		try(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v));
		*(long *)(x + 520) = 5;
		try(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v));
		v.iov_len -= 8;
		try(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v));
	}
	v = (struct iovec){ &fp, sizeof(fp) };
	try(ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &v));
	memcpy(d, &fp.xmm_space[6 * 4], sizeof(d));
	say("xmm6 %g %g of %zu", d[0], d[1], v.iov_len);
	fp.mxcsr = 0xffffffff;
	may(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));

	/* over two nops, the addition, two instructions of a call */
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	for (int i = 0; i < 6; i++) {
		unsigned long from = r.rip;

		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		wait_stop();
		ptrace(PTRACE_GETSIGINFO, pid, 0, &si);
		ptrace(PTRACE_GETREGS, pid, 0, &r);
		say("%lld bytes on, r12 %lld, trap flag %d, code %d", r.rip - from, r.r12, r.eflags & 0x100 ? 1 : 0, si.si_code);
	}
	r.r12++;
	try(ptrace(PTRACE_SETREGS, pid, 0, &r));
	ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();
	ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();
}

static void calls_child(void)
{
	char c;
	int fd = open("/nowhere", O_RDONLY);

	syscall(SYS_getppid);
	if (syscall(SYS_gettid) != 4321 || syscall(SYS_getuid) != -1 || errno != ENOTTY)
		_exit(1);
	_exit(read(fd, &c, 1) == -1 ? 5 : 1);
}

static void calls(void)
{
	struct ptrace_syscall_info info;
	struct user_regs_struct r;

	start(calls_child);
	try(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT));
	memset(&info, 0, sizeof(info));
	try(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info));
	say("op %d", info.op);
	for (;;) {
		int status;

		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		status = wait_stop();
		if (!WIFSTOPPED(status))
			return;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		memset(&info, 0, sizeof(info));
		try(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info));
		say(" op %d arch %#x", info.op, info.arch);
		ptrace(PTRACE_GETREGS, pid, 0, &r);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			say(" %llu ax %lld", info.entry.nr, r.rax);
			if (info.entry.nr == SYS_gettid) {	/* another call in its place */
				r.orig_rax = -1;
				r.rax = 4321;
				ptrace(PTRACE_SETREGS, pid, 0, &r);
			}
		} else if (r.orig_rax == SYS_getuid) {
			r.rax = -ENOTTY;
			ptrace(PTRACE_SETREGS, pid, 0, &r);
		} else if (r.orig_rax != SYS_getppid) {
			say(" = %lld, error %d", (long long)info.exit.rval, info.exit.is_error);
		}
	}
}

static void sleeper(void)
{
	struct timespec ts = { 0, 1000000 };

	while (syscall(SYS_nanosleep, &ts, NULL) == 0)
		;
}

static void seize(void)
{
	int status;

	pid = fork();
	if (pid == 0)
		sleeper();
	try(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL));
	try(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	wait_stop();
	try(ptrace(PTRACE_LISTEN, pid, 0, 0));
	kill(pid, SIGCONT);
	try(ptrace(PTRACE_DETACH, pid, 0, 0));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	try(ptrace(PTRACE_PEEKUSER, pid, 0, 0));
}

static void forks_child(void)
{
	pid_t p = fork();

	if (p == 0)
		_exit(4);
	waitpid(p, NULL, 0);
	execl("/proc/self/exe", "trace", "exec", NULL);
}

static void forks(void)
{
	unsigned long msg;
	pid_t first, second;
	int status;

	start(forks_child);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC);
	ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();
	try(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	first = pid;
	second = pid = msg;
	wait_stop();
	ptrace(PTRACE_CONT, second, 0, 0);
	wait_stop();
	pid = first;
	ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();				/* SIGCHLD */
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop();			/* exec */
	if (WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, 0, 0);
	wait_stop();
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 6;
	registers();
	calls();
	seize();
	forks();
	return 0;
}
