/* Mappings of all kinds, and the faults that they make. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define SAY(x) do { errno = 0; long r_ = (long)(x); printf("%s: %ld %d\n", #x, r_, errno); fflush(stdout); } while (0)
static sigjmp_buf j;
static volatile sig_atomic_t code;
static char *volatile at;

static void fault(int s, siginfo_t *i, void *c)
{
	code = i->si_code;
	at = i->si_addr;
	siglongjmp(j, s);
}

/* touch returns the signal, 0 if there is none. */
static int touch(volatile char *p, int write)
{
	int s = sigsetjmp(j, 1);

	if (s) {
		if (at != p)
			printf("address %ld\n", (long)(at - p));
		return s * 100 + code;
	}
	if (write)
		*p = 'w';
	else
		(void)*p;
	return 0;
}

static char *map(void *a, size_t n, int prot, int flags, int fd)
{
	return mmap(a, n, prot, flags, fd, 0);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
	char *p, *q;
	int fd, i;
	const int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;

	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	p = map(0, 10 * P, rw, anon, -1);
	memset(p, 'a', 10 * P);
	SAY(mprotect(p + P, P, PROT_READ));
	SAY(touch(p + P, 1));
	SAY(touch(p + P, 0));
	SAY(mprotect(p + P, P, PROT_NONE));
	SAY(touch(p + P + 7, 0));
	SAY(mprotect(p + P, P, rw));
	SAY(p[P] == 'a');
	SAY(munmap(p + 3 * P, P));
	SAY(touch(p + 3 * P, 0));
	SAY(touch(p + 4 * P, 1));
	SAY(madvise(p + 5 * P, P, MADV_DONTNEED));
	SAY(p[5 * P]);
	SAY(madvise(p + 6 * P, P, MADV_FREE));
	SAY(madvise(p + 3 * P, P, MADV_DONTNEED));
	SAY(touch(0, 0));
	SAY(touch((char *)-P, 0));
	SAY(touch((char *)0x8000000000000000UL, 0) / 100);
	SAY(touch((void *)main, 1));
	SAY(touch((char *)"constant", 1));
	fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	SAY(ftruncate(fd, 2 * P + 10));
	q = map(0, 4 * P, rw, MAP_SHARED, fd);
	strcpy(q + P, "through the mapping");
	char buf[100] = "";
	SAY(pread(fd, buf, 19, P));
	puts(buf);
	SAY(pwrite(fd, "THROUGH", 7, P));
	puts(q + P);
	SAY(touch(q + 2 * P + 100, 1));
	SAY(touch(q + 3 * P, 0));
	SAY(ftruncate(fd, P));
	SAY(touch(q + P, 0));
	SAY(ftruncate(fd, 4 * P));
	SAY(touch(q + P, 0));
	SAY(q[P]);
	SAY(msync(q, 4 * P, MS_SYNC));
	p = map(0, P, PROT_READ, MAP_SHARED, open("f", O_RDONLY));
	SAY(mprotect(p, P, rw));
	p = map(0, P, rw, MAP_PRIVATE, fd);
	p[0] = 'z';
	SAY(q[0]);
	/* Memory across fork(2): copied, and shared. */
	char *s = map(0, P, rw, MAP_SHARED | MAP_ANONYMOUS, -1);
	p = map(0, 64 * P, rw, anon, -1);
	memset(p, 'p', 64 * P);
	if (!fork()) {
		for (i = 0; i < 64; i += 2)
			p[i * P] = 'c';
		strcpy(s, "child");
		strcpy(q, "file");
		_exit(p[P]);
	}
	wait(&i);
	SAY(WEXITSTATUS(i));
	puts(s);
	puts(q);
	for (i = 0; i < 64 && p[i * P] == 'p'; i++)
		;
	SAY(i);
	/* mremap(2). */
	q = mremap(p, 64 * P, 128 * P, MREMAP_MAYMOVE);
	SAY(q[63 * P] == 'p' && q[64 * P] == 0);
	SAY(mremap(q, 128 * P, 2 * P, 0) == q);
	SAY(touch(q + 2 * P, 0));
	p = map(0, 4 * P, PROT_NONE, anon, -1);
	SAY(mremap(q, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	SAY(p[0]);
	SAY(touch(q, 0));
	SAY(map(p, P, rw, anon | MAP_FIXED_NOREPLACE, -1) == MAP_FAILED);
	SAY(map((void *)1, P, rw, anon | MAP_FIXED, -1) == MAP_FAILED);
	p = map((void *)0x200000000UL, P, rw, anon, -1);
	SAY(p == (void *)0x200000000UL);
	/* Code that is written, run, changed, and run again. */
	p = map(0, P, rw | PROT_EXEC, anon, -1);
	for (i = 1; i < 4; i++) {
		char code_[] = { 0xb8, i, 0, 0, 0, 0xc3 };
		memcpy(p, code_, 6);
		SAY(((int (*)(void))p)());
	}
	SAY(mprotect(p, P, rw));
	i = sigsetjmp(j, 1);
	if (!i)
		((int (*)(void))p)();
	SAY(i * 100 + code);
	/* The stack grows, up to its limit. */
	char *deep = alloca(3 << 20);
	deep[0] = 1;
	memset(deep, 1, 3 << 20);
	SAY(deep[3 << 19]);
	SAY(sbrk(1 << 20) != (void *)-1);
	memset((char *)sbrk(0) - 1000, 1, 1000);
	SAY(brk((char *)sbrk(0) - (1 << 20)));
	char *many = malloc(64 << 20);
	for (i = 0; i < 64 << 20; i += P)
		many[i] = i / P;
	long sum = 0;
	for (i = 0; i < 64 << 20; i += P)
		sum += many[i];
	SAY(sum);
	free(many);
	unsigned char vec[4];
	p = map(0, 4 * P, rw, anon | MAP_POPULATE, -1);
	SAY(mincore(p, 4 * P, vec));
	SAY(vec[0] & vec[3] & 1);
	SAY(mlock(p, P));
	SAY(munlock(p, P));
	SAY(mlockall(MCL_CURRENT));
	SAY(munlockall());
	SAY(map(0, 1UL << 46, rw, anon | MAP_NORESERVE, -1) != MAP_FAILED);
	SAY(map(0, 1UL << 62, rw, anon, -1) != MAP_FAILED);
	struct rlimit rl = { 256 << 20, 256 << 20 };
	SAY(setrlimit(RLIMIT_AS, &rl));
	SAY(map(0, 1 << 30, rw, anon, -1) == MAP_FAILED);
	/* A read or write of the kernel's that meets a bad address. */
	SAY(read(fd, (char *)16, 10));
	SAY(write(fd, (char *)(P * 3), 10));
	p = map(0, 2 * P, rw, anon, -1);
	munmap(p + P, P);
	SAY(pread(fd, p + P - 5, 10, 0) == 10); /* the host's may have given 5 bytes, or none */
	return 0;
}
