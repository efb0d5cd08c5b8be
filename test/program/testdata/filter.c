/* Filters of a program's own. */
#include "say.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#define IS(nr, action)								\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)

static void handler(int sig, siginfo_t *si, void *uc)
{
	say("SIG%s code %d call %d arch %#x errno %d", sigabbrev_np(sig), si->si_code, si->si_syscall, si->si_arch, si->si_errno);
}

static void install(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		IS(SYS_getppid, SECCOMP_RET_ERRNO | 77),
		IS(SYS_getuid, SECCOMP_RET_TRAP | 5),
		IS(SYS_getgid, SECCOMP_RET_KILL_THREAD),
		IS(SYS_geteuid, SECCOMP_RET_KILL_PROCESS),
		IS(SYS_getegid, SECCOMP_RET_TRACE | 9),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(*f), f };

	try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	try(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
	try(prctl(PR_GET_SECCOMP));
}

static void traced(void)
{
	unsigned long msg;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(syscall(SYS_getegid) != 0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP);
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	try(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	say("stopped %#x, message %ld", status >> 8, msg);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

int main(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO, .sa_sigaction = handler };

	child(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); syscall(SYS_exit, 3));
	child(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); getppid());
	install();
	try(syscall(SYS_getppid));
	sigaction(SIGSYS, &sa, NULL);
	syscall(SYS_getuid);
	try(syscall(SYS_getegid));
	child(syscall(SYS_getgid));
	child(syscall(SYS_geteuid));
	signal(SIGSYS, SIG_DFL);
	child(syscall(SYS_getuid));
	traced();
	return 0;
}
