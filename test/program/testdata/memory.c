/* Memory: what is mapped where, who sees what is written. */
#include "say.h"
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE 4096UL

static char *map(size_t len, int prot, int flags, int fd)
{
	char *p = mmap(NULL, len, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		say("mmap: %s", strerrorname_np(errno));
	return p;
}

static int file(size_t size)
{
	char name[] = "/tmp/memoryXXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	if (ftruncate(fd, size))
		exit(1);
	return fd;
}

static void anonymous(void)
{
	char *p = map(64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *q;
	unsigned char vec[64];

	for (int i = 0; i < 64; i++)
		p[i * PAGE] = i + 1;
	try(mincore(p, 64 * PAGE, vec));
	say("%d %d", vec[0] & 1, vec[63] & 1);
	try(madvise(p, 32 * PAGE, MADV_DONTNEED));
	say("%d %d", p[5 * PAGE], p[40 * PAGE]);
	try(madvise(p + 1, PAGE, MADV_DONTNEED));
	q = mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
	say("%d %d", q[40 * PAGE], q[100 * PAGE]);
	q[100 * PAGE] = 9;
	p = mremap(q, 128 * PAGE, 16 * PAGE, 0);
	is(p == q);
	child(q[100 * PAGE] = 1);
	try(munmap(p, 16 * PAGE));
	try(mincore(p, PAGE, vec));
	p = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	child(p[0] = 7; p[3 * PAGE] = 8);
	say("%d %d", p[0], p[3 * PAGE]);
	p = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1);
	is((unsigned long)p < 1UL << 31);
	*p = 1;
	try(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	may(mmap((void *)0x7ffffffff000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	may(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	may(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	/* much more than there is, touched here and there */
	p = map(1UL << 36, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	for (unsigned long i = 0; i < 1UL << 36; i += 1UL << 31)
		p[i] = i >> 31;
	is(p[5UL << 31] == 5);
	munmap(p, 1UL << 36);
}

static void protection(void)
{
	char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memset(p, 1, 8 * PAGE);
	for (int i = 0; i < 8; i += 2)
		mprotect(p + i * PAGE, PAGE, PROT_READ);
	child(p[PAGE] = 2; p[2 * PAGE] = 2);
	try(read(file(PAGE), p, 8 * PAGE));	/* as far as it can be written */
	int fd = file(8 * PAGE);
	try(pread(fd, p, 8 * PAGE, 0));
	try(pread(fd, p + PAGE, 8 * PAGE, 0));
	say("%d", p[PAGE]);
	try(mprotect(p, 8 * PAGE, PROT_NONE));
	try(write(fd, p, PAGE));
	try(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE));
	say("%d %d", p[0], p[7 * PAGE]);
	try(mprotect(p + 1, PAGE, PROT_READ));
	munmap(p + 3 * PAGE, PAGE);
	try(mprotect(p, 8 * PAGE, PROT_READ));
	child(p[0] = 1);
}

static void files(void)
{
	int fd = file(4 * PAGE);
	char *a = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	char *b = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd), buf[8] = "";

	strcpy(a, "one");
	try(pread(fd, buf, 4, 0));
	say("%s %s", buf, b);
	try(pwrite(fd, "two", 4, 0));
	say("%s %s", a, b);
	strcpy(b, "own");
	say("%s %s", a, b);
	try(pwrite(fd, "three", 6, 0));
	say("%s %s", a, b);
	child(strcpy(a + PAGE, "child"); strcpy(b + PAGE, "mine"));
	say("%s, %s", a + PAGE, b + PAGE);
	try(msync(a, 4 * PAGE, MS_SYNC));
	try(madvise(b, PAGE, MADV_DONTNEED));
	say("%s", b);
	try(ftruncate(fd, PAGE));
	child(a[PAGE] = 1);
	try(ftruncate(fd, 4 * PAGE));
	say("%d", a[PAGE]);
	/* one that is mapped, and written by another process meanwhile */
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pwrite(fd, &i, sizeof(i), 2 * PAGE);
			a[3 * PAGE] = i;
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		if (*(int *)(a + 2 * PAGE) != i || a[3 * PAGE] != i)
			say("%d: %d %d", i, *(int *)(a + 2 * PAGE), a[3 * PAGE]);
	}
	int ro = open("/proc/self/exe", O_RDONLY);
	may(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	a = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro);
	is(!memcmp(a, "\177ELF", 4));
	a[0] = 1;
	int mem = memfd_create("x", MFD_ALLOW_SEALING);
	try(ftruncate(mem, PAGE));
	try(fcntl(mem, F_ADD_SEALS, F_SEAL_WRITE));
	may(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0));
}

/* Code that is made, and made anew. */
static void code(void)
{
	unsigned char *p = (void *)map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1), *w;
	int (*f)(void) = (void *)p;
	int wrong = 0, fd = memfd_create("code", 0);

	for (int i = 0; i < 10000; i++) {
		unsigned char insn[] = { 0xb8, i, i >> 8, 0, 0, 0xc3 };

		memcpy(p, insn, sizeof(insn));
		wrong += f() != i;
	}
	say("%d wrong", wrong);
	for (int i = 0; i < 200; i++) {
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		p[1] = i;
		p[2] = 0;
		mprotect(p, PAGE, PROT_READ | PROT_EXEC);
		wrong += f() != i;
	}
	say("%d wrong", wrong);
	/* two mappings, one to write, one to execute */
	ftruncate(fd, PAGE);
	w = (void *)map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	f = (void *)map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
	for (int i = 0; i < 1000; i++) {
		unsigned char insn[] = { 0xb8, i, i >> 8, 0, 0, 0xc3 };

		memcpy(w, insn, sizeof(insn));
		wrong += f() != i;
	}
	say("%d wrong", wrong);
}

static int down(int n)
{
	volatile char room[1000];

	room[n % 1000] = n;
	return n ? down(n - 1) + room[n % 1000] : 0;
}

static void stack(void)
{
	struct rlimit big = { 64 << 20, 64 << 20 };
	char line[300], *top = NULL;
	unsigned long low, high;
	FILE *f;

	say("%d", down(5000));
	f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]"))
			sscanf(line, "%lx-%lx", &low, &high);
	fclose(f);
	is(high - low > 5000000 && high - low < 8 << 20);
	/* a page that nobody may touch, in between */
	char *p = map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	try(mprotect(p, PAGE, PROT_NONE));
	child(p[PAGE] = 1; p[PAGE - 1] = 1);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	is(p != MAP_FAILED);
}

static void brks(void)
{
	char *p = sbrk(0);

	sbrk(100 * PAGE);
	p[50 * PAGE] = 5;
	sbrk(-100 * PAGE);
	sbrk(100 * PAGE);
	say("%d", p[50 * PAGE]);
	child(((void (*)(void))p)());
	child(int (*f)(void) = (void *)(char[]){ 0xc3, 0 }; f());
}

/* Wishes, which are granted where the place is free, and room for a reservation of 64 TiB. */
static void places(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *low = (char *)0x50000000, *high = (char *)0x123456789000;

	is(mmap(low, PAGE, PROT_READ, flags | MAP_32BIT, -1, 0) == low);
	is(mmap(low + 1, PAGE, PROT_READ, flags | MAP_32BIT, -1, 0) == low + PAGE);
	is((unsigned long)mmap(low, PAGE, PROT_READ, flags | MAP_32BIT, -1, 0) < 1UL << 31);
	is((unsigned long)mmap((char *)0x7ffff000, 2 * PAGE, PROT_READ, flags | MAP_32BIT, -1, 0) < 1UL << 31);
	is(mmap(high, PAGE, PROT_READ, flags, -1, 0) == high);
	is(mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED);
	/* the shadow of AddressSanitizer */
	is(mmap((char *)0x7fff8000, 0x10007fff8000, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
}

static void advice(void)
{
	int fd = memfd_create("advice", 0);

	try(ftruncate(fd, PAGE));
	for (int i = 0; i < 8; i++)
		say("fadvise %d: %d", i, posix_fadvise(fd, 0, PAGE, i));
	say("fadvise of nothing: %d", posix_fadvise(-1, 0, PAGE, 0));
}

int main(void)
{
	advice();
	anonymous();
	protection();
	files();
	code();
	stack();
	brks();
	places();
	return 0;
}
