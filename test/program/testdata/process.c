/* Programs that start others, and what /proc says of them. */
#include "say.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/prctl.h>

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (write(fd, text, strlen(text)) < 0)
		say("cannot write %s", name);
	close(fd);
}

static void scripts(void)
{
	put("/tmp/unboot-one", "#!/bin/sh\necho one $0 $1\nexit 4\n");
	put("/tmp/unboot-two", "#!  /tmp/unboot-one   arg \n");
	put("/tmp/unboot-long", "#!/nowhere/at/all\n");
	put("/tmp/unboot-none", "echo no\n");
	child(execl("/tmp/unboot-one", "x", "y", NULL));
	child(execl("/tmp/unboot-two", "x", "y", NULL));
	child(execl("/tmp/unboot-long", "x", NULL); say("%s", strerrorname_np(errno)));
	child(execl("/tmp/unboot-none", "x", NULL); say("%s", strerrorname_np(errno)));
	child(execl("/tmp", "x", NULL); say("%s", strerrorname_np(errno)));
	child(execl("/nowhere", "x", NULL); say("%s", strerrorname_np(errno)));
	chmod("/tmp/unboot-one", 0644);
	child(execl("/tmp/unboot-one", "x", NULL); say("%s", strerrorname_np(errno)));
	chmod("/tmp/unboot-one", 0755);
	int fd = open("/tmp/unboot-one", O_RDONLY | O_CLOEXEC);
	child(char *const argv[] = { "x", NULL }; syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); say("%s", strerrorname_np(errno)));
	fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	child(char *const argv[] = { "sh", "-c", "exit 5", NULL }; fexecve(fd, argv, environ));
	for (const char *const *p = (const char *const[]){ "one", "two", "long", "none", NULL }; *p; p++) {
		char name[40];

		sprintf(name, "/tmp/unboot-%s", *p);
		unlink(name);
	}
}

/* What is not a program, or only nearly. */
static void images(void)
{
	Elf64_Ehdr e;
	int fd = open("/proc/self/exe", O_RDONLY), out;
	char head[4096];

	read(fd, head, sizeof(head));
	memcpy(&e, head, sizeof(e));
	for (int i = 0; i < 4; i++) {
		Elf64_Ehdr *h = (void *)head;

		*h = e;
		if (i == 1)
			h->e_machine = EM_AARCH64;
		if (i == 2)
			h->e_phnum = 0;
		if (i == 3)
			h->e_ident[EI_CLASS] = ELFCLASS32;
		out = open("/tmp/unboot-image", O_WRONLY | O_CREAT | O_TRUNC, 0755);
		write(out, head, i == 0 ? 30 : sizeof(head));
		close(out);
		child(execl("/tmp/unboot-image", "x", NULL); say("%s", strerrorname_np(errno)));
	}
	unlink("/tmp/unboot-image");
}

static void arguments(void)
{
	static char *many[200001];
	char *big = malloc(200000);

	for (int i = 0; i < 200000; i++)
		many[i] = "x";
	many[0] = "true";
	memset(big, 'a', 199999);
	child(execv("/bin/true", many); say("%s", strerrorname_np(errno)));
	child(execl("/bin/true", "true", big, NULL); say("%s", strerrorname_np(errno)));
	many[5000] = NULL;
	child(execv("/bin/true", many); say("%s", strerrorname_np(errno)));
}

static void proc(char **argv)
{
	char line[512], path[256] = "", mem[16] = "", word[] = "secret";
	unsigned long auxv[2];
	int stack = 0, heap = 0, vdso = 0, code = 0, fd, entries = 0, right = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	malloc(100);
	while (fgets(line, sizeof(line), f)) {
		stack += strstr(line, "[stack]") != NULL;
		heap += strstr(line, "[heap]") != NULL;
		vdso += strstr(line, "[vdso]") != NULL;
		code += strstr(line, " r-xp ") && strstr(line, argv[0]) != NULL;
	}
	fclose(f);
	say("stack %d heap %d vdso %d code %d", stack, heap, vdso, code);
	readlink("/proc/self/exe", path, sizeof(path) - 1);
	is(!strcmp(path, argv[0]));
	fd = open("/proc/self/mem", O_RDWR);
	try(pread(fd, mem, sizeof(word), (long)word));
	say("%s", mem);
	try(pwrite(fd, "public", 6, (long)word));
	say("%s", word);
	static const char constant[4096] = "const";
	try(pwrite(fd, "C", 1, (long)constant));
	say("%s", (const char *)(volatile const char *)constant);
	try(pread(fd, mem, 1, 8));
	fd = open("/proc/self/auxv", O_RDONLY);
	while (read(fd, auxv, sizeof(auxv)) == sizeof(auxv) && auxv[0]) {
		entries++;
		right += getauxval(auxv[0]) == auxv[1];
	}
	is(entries > 15 && right == entries);
	is(getauxval(AT_MINSIGSTKSZ) > 1000);
	is(getauxval(AT_PAGESZ) == 4096);
	say("%s", (char *)getauxval(AT_PLATFORM));
	is(!strcmp((char *)getauxval(AT_EXECFN), argv[0]));
	is(getauxval(AT_CLKTCK) == 100);
	/* image headers of the vDSO, as debuggers read them */
	Elf64_Ehdr *e = (void *)getauxval(AT_SYSINFO_EHDR);
	is(e && !memcmp(e->e_ident, ELFMAG, 4));
	fd = open("/proc/self/environ", O_RDONLY);
	is(read(fd, line, sizeof(line)) > 0);
	fd = open("/proc/self/cmdline", O_RDONLY);
	is(read(fd, line, sizeof(line)) == strlen(argv[0]) + 1 && !strcmp(line, argv[0]));
	fd = open("/proc/self/syscall", O_RDONLY);
	is(read(fd, line, sizeof(line) - 1) > 0);
	f = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Threads", 7) || !strncmp(line, "TracerPid", 9) || !strncmp(line, "Seccomp:", 8))
			printf("%s", line);
	fclose(f);
	f = fopen("/proc/cpuinfo", "r");
	int flags = 0;
	while (fgets(line, sizeof(line), f))
		flags |= !strncmp(line, "flags", 5);
	is(flags);
}

static void ends(void)
{
	struct rusage ru;
	struct rlimit r = { 1, 2 };
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(300);
	try(waitid(P_PID, pid, &si, WEXITED | WNOWAIT) );
	say("%d code %d", si.si_status, si.si_code);
	wait4(pid, NULL, 0, &ru);
	is(ru.ru_maxrss > 0);
	try(waitpid(-1, NULL, WNOHANG));
	child(setrlimit(RLIMIT_CPU, &r); signal(SIGXCPU, SIG_DFL); for (;;) ;);
	child(prctl(PR_SET_PDEATHSIG, SIGKILL); say("%d", prctl(PR_GET_DUMPABLE)));
	/* one whose parent goes first */
	int p[2];
	char c;
	pipe(p);
	child(if (fork() == 0) { usleep(20000); is(getppid() == 1 || getppid() > 0); write(p[1], "x", 1); _exit(0); });
	try(read(p[0], &c, 1));
}

int main(int argc, char **argv)
{
	scripts();
	images();
	arguments();
	proc(argv);
	ends();
	return 0;
}
