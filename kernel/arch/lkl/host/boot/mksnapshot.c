// SPDX-License-Identifier: GPL-2.0-only
/*
 * mksnapshot IMAGE OUTPUT: boots the kernel IMAGE, has it write a snapshot of itself
 * (host/snapshot.c), and makes OUTPUT of both: asm/snapshot.h. A program of the
 * machine that builds the kernel.
 *
 * mksnapshot IMAGE: boots it three times, the second time with another seed and the third
 * time at another time, and prints what of the kernel differs then: "seed ADDRESS" or
 * "time ADDRESS" for static data, and the name of the cache for objects in RAM. What
 * depends on neither is the same in all kernels; what does has to be made anew at each
 * start from the snapshot, or to do no harm: kernel/snapshot.list.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <asm/lkl.h>
#include "../../include/asm/snapshot.h"

#define PAGE	4096UL
#define UP(x)	(((x) + PAGE - 1) & ~(PAGE - 1))
/* Pages that are the image's, or empty, and are stored all the same: a run costs as much. */
#define JOIN	8

/* The most that package unboot asks for by default: option.go. */
#define MEMORY		(512UL << 20)
#define PROGRAMS	(4UL << 30)

static const unsigned char *image;
static size_t image_size;

static void load_image(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(1, "%s", path);
	image_size = lseek(fd, 0, SEEK_END);
	image = mmap(NULL, image_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		err(1, "%s", path);
}

/* What the image has at an address, as the loader maps it. */
static void image_page(unsigned long addr, unsigned char *page)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);
	int i;

	memset(page, 0, PAGE);
	for (i = 0; i < eh->e_phnum; i++) {
		unsigned long from = ph[i].p_vaddr, to = from + ph[i].p_filesz;

		if (ph[i].p_type != PT_LOAD || addr + PAGE <= from || addr >= to)
			continue;
		from = from > addr ? from : addr;
		to = to < addr + PAGE ? to : addr + PAGE;
		memcpy(page + (from - addr), image + ph[i].p_offset + (from - ph[i].p_vaddr), to - from);
	}
}

/* What kernels with a fixed clock have, all of them. */
#define SEED	1
#define CLOCK	(1000000000UL * 1000000000UL)

/* Starts the kernel as package lkl does, and waits until it has written what it is. */
static void run(const char *path, int dump, unsigned char seed, unsigned long clock)
{
	int window = memfd_create("window", 0), log[2], control[2], fds[5], status, i;
	struct lkl_header *h;
	char message[4096];
	ssize_t n;
	pid_t pid;

	if (window < 0 || ftruncate(window, LKL_WINDOW_SIZE))
		err(1, "window");
	h = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, window, 0);
	if (h == MAP_FAILED || pipe(log) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control))
		err(1, "window");
	h->magic = LKL_MAGIC;
	h->version = LKL_VERSION;
	h->flags = LKL_FLAG_SNAPSHOT | LKL_FLAG_NO_SPIN;
	h->memory = MEMORY;
	h->programs = PROGRAMS;
	h->clock = clock;
	h->workers = 1;
	h->seed[0] = seed;
	strcpy(h->cmdline, "quiet ");
	fds[LKL_FD_WINDOW] = window;
	fds[LKL_FD_EVENT] = eventfd(0, 0);
	fds[LKL_FD_LOG] = log[1];
	fds[LKL_FD_CONTROL] = control[1];
	fds[LKL_FD_IMAGE] = dump;
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		personality(ADDR_NO_RANDOMIZE);
		alarm(120);
		for (i = 0; i < 5; i++)
			fds[i] = fcntl(fds[i], F_DUPFD, 100);
		for (i = 0; i < 5; i++)
			dup2(fds[i], i);
		close_range(5, ~0U, 0);
		execl(path, "unboot-kernel", (char *)NULL);
		_exit(127);
	}
	close(log[1]);
	while ((n = read(log[0], message, sizeof(message))) > 0)
		if (write(2, message, n) < 0)
			break;
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s: the kernel has ended with status %#x", path, status);
}

static void append(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		err(1, "output");
}

static void pad(int fd)
{
	static const char zeroes[PAGE];
	off_t at = lseek(fd, 0, SEEK_CUR);

	append(fd, zeroes, UP(at) - at);
}

static union {
	struct lkl_snapshot s;
	char bytes[LKL_SNAPSHOT_HEAD];
} head;

/* Whether a page of the dump is not what is mapped there without it. */
static int differs(const unsigned char *page, unsigned long addr)
{
	unsigned char other[PAGE];

	image_page(addr, other);
	return memcmp(page, other, PAGE);
}

/* The runs, from a dump of so many bytes. */
static void find_runs(const unsigned char *dump, unsigned long size)
{
	unsigned long at, off = LKL_SNAPSHOT_HEAD;
	struct lkl_snapshot_run *r = NULL;

	if (size > head.s.ram_end - LKL_WINDOW_BASE)
		size = head.s.ram_end - LKL_WINDOW_BASE;
	for (at = LKL_WINDOW_SIZE; at + PAGE <= size; at += PAGE) {
		unsigned long addr = LKL_WINDOW_BASE + at;

		/* text is not in it, nor are holes between the image and RAM */
		if (addr < head.s.data || (addr >= head.s.data_end && addr < head.s.ram) ||
		    !differs(dump + at, addr))
			continue;
		if (r && addr <= r->addr + r->len + JOIN * PAGE &&
		    (r->addr >= head.s.ram || addr < head.s.data_end)) {
			r->len = addr + PAGE - r->addr;
			continue;
		}
		if (head.s.nr_runs == LKL_SNAPSHOT_RUNS)
			errx(1, "more than %d runs of pages", LKL_SNAPSHOT_RUNS);
		r = &head.s.run[head.s.nr_runs++];
		r->addr = addr;
		r->len = PAGE;
	}
	for (at = 0; at < head.s.nr_runs; at++) {
		head.s.run[at].off = off;
		off += head.s.run[at].len;
	}
}

/* Boots the kernel, and returns what it has written. head is what that begins with. */
static const unsigned char *dump_of(const char *path, unsigned char seed, unsigned long clock, unsigned long *size)
{
	const unsigned char *dump;
	int in = open(".", O_TMPFILE | O_RDWR, 0600);

	if (in < 0)
		in = memfd_create("dump", 0);
	if (in < 0)
		err(1, "dump");
	run(path, in, seed, clock);
	*size = lseek(in, 0, SEEK_END);
	if (pread(in, &head, sizeof(head), 0) != sizeof(head) || head.s.magic != LKL_SNAPSHOT_MAGIC)
		errx(1, "%s has written nothing", path);
	dump = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, in, 0);
	if (dump == MAP_FAILED)
		err(1, "dump");
	close(in);
	return dump;
}

/* The cache that a page of RAM is of. */
static const char *owner(const unsigned char *dump, unsigned long size, unsigned long addr)
{
	const struct lkl_snapshot_owner *o = (const void *)(dump + (head.s.ram_end - LKL_WINDOW_BASE));

	for (; (const unsigned char *)(o + 1) <= dump + size && o->addr; o++)
		if (o->addr == addr)
			return o->cache;
	return "no cache";
}

/* Prints what differs in another kernel, word by word for static data and page by page else. */
static void compare(const unsigned char *one, unsigned long size,
		    const unsigned char *other, unsigned long other_size, const char *why)
{
	unsigned long end = head.s.ram_end - LKL_WINDOW_BASE, at, i;

	if (size != other_size)
		printf("%s size\n", why);
	end = end < size ? end : size;
	end = end < other_size ? end : other_size;
	for (at = LKL_WINDOW_SIZE; at + PAGE <= end; at += PAGE) {
		unsigned long addr = LKL_WINDOW_BASE + at;

		if (!memcmp(one + at, other + at, PAGE))
			continue;
		if (addr >= head.s.ram) {
			printf("%s %s\n", why, owner(one, size, addr));
			continue;
		}
		for (i = 0; i < PAGE; i += 8)
			if (memcmp(one + at + i, other + at + i, 8))
				printf("%s %016lx\n", why, addr + i);
	}
}

static int differences(const char *path)
{
	unsigned long size, size2;
	const unsigned char *one = dump_of(path, SEED, CLOCK, &size), *other;

	other = dump_of(path, SEED + 1, CLOCK, &size2);
	compare(one, size, other, size2, "seed");
	other = dump_of(path, SEED, CLOCK / 2 + 123456789, &size2);
	compare(one, size, other, size2, "time");
	return 0;
}

int main(int argc, char **argv)
{
	const unsigned char *dump;
	unsigned long size, i;
	int out;

	if (argc == 2) {
		load_image(argv[1]);
		return differences(argv[1]);
	}
	if (argc != 3)
		errx(2, "usage: mksnapshot IMAGE [OUTPUT]");
	load_image(argv[1]);
	dump = dump_of(argv[1], SEED, CLOCK, &size);
	find_runs(dump, size);

	out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (out < 0)
		err(1, "%s", argv[2]);
	append(out, image, image_size);
	pad(out);
	append(out, &head, sizeof(head));
	for (i = 0; i < head.s.nr_runs; i++)
		append(out, dump + (head.s.run[i].addr - LKL_WINDOW_BASE), head.s.run[i].len);
	if (close(out))
		err(1, "%s", argv[2]);
	return 0;
}
