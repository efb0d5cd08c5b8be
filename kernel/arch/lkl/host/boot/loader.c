// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader: the program that the parent executes, some KiB in size. It puts
 * the kernel into memory from where the parent has it, which is the middle of
 * the parent's own file, and enters it as execve(2) would have done. So no
 * parent has to make a file of the kernel first, which takes it longer than
 * the kernel takes to boot.
 *
 * Where the image lies at a page boundary of its file its pages are mapped,
 * and shared with all other kernels. Elsewhere it is read into huge pages.
 *
 * This is a program of its own: nothing of the kernel is linked to it.
 */
#include <linux/types.h>
#include <linux/elf.h>
#include <linux/stddef.h>
#include <asm/lkl.h>
#include <machine.h>

#define call(nr, a, b, c, d, e, f)					\
	lkl_host_syscall(LKL_HOST_##nr, (long)(a), (long)(b), (long)(c),	\
			 (long)(d), (long)(e), (long)(f))

#define PROT_READ		0x1
#define PROT_WRITE		0x2
#define PROT_EXEC		0x4
#define MAP_PRIVATE		0x02
#define MAP_FIXED		0x10
#define MAP_ANONYMOUS		0x20
#define MAP_FIXED_NOREPLACE	0x100000
#define MADV_HUGEPAGE		14

#define PAGE			4096UL
#define DOWN(x)			((x) & ~(PAGE - 1))
#define UP(x)			DOWN((x) + PAGE - 1)

/* The parent tries another way when it sees this exit code. */
static void __attribute__((noreturn)) die(const char *why, long len)
{
	call(write, LKL_FD_LOG, why, len, 0, 0, 0);
	for (;;)
		call(exit_group, LKL_EXIT_LOADER, 0, 0, 0, 0, 0);
}

#define fail(why)	die("lkl: loader: " why "\n", sizeof("lkl: loader: " why))

static void read_at(int fd, void *to, unsigned long n, u64 off)
{
	char *p = to;

	while (n) {
		long ret = call(pread64, fd, p, n, off, 0, 0);

		if (ret <= 0)
			fail("cannot read the image");
		p += ret;
		off += ret;
		n -= ret;
	}
}

static void map(unsigned long start, unsigned long end, int prot, int flags,
		int fd, u64 off)
{
	long ret = call(mmap, start, end - start, prot, MAP_PRIVATE | flags, fd, off);

	if (ret != (long)start)
		fail("cannot map memory");
}

static int protection(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) |
	       (ph->p_flags & PF_W ? PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

static void clear(unsigned long from, unsigned long to)
{
	volatile char *p = (char *)from;

	while (p < (char *)to)
		*p++ = 0;
}

/* By the file's own pages: what is not touched is not even read. */
static void map_segment(const Elf64_Phdr *ph, u64 image)
{
	unsigned long start = DOWN(ph->p_vaddr);
	unsigned long data_end = ph->p_vaddr + ph->p_filesz;
	unsigned long end = ph->p_vaddr + ph->p_memsz;

	map(start, UP(end), protection(ph), MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ph->p_filesz)
		map(start, UP(data_end), protection(ph), MAP_FIXED, LKL_FD_IMAGE,
		    image + DOWN(ph->p_offset));
	if (end > data_end)
		clear(data_end, UP(data_end) < end ? UP(data_end) : end);
}

static void read_segment(const Elf64_Phdr *ph, u64 image)
{
	read_at(LKL_FD_IMAGE, (void *)ph->p_vaddr, ph->p_filesz, image + ph->p_offset);
	if (call(mprotect, DOWN(ph->p_vaddr), UP(ph->p_vaddr + ph->p_memsz) -
		 DOWN(ph->p_vaddr), protection(ph), 0, 0, 0) < 0)
		fail("the host does not let memory be executed");
}

/* Returns where the kernel is to be entered. */
unsigned long lkl_load(void);
unsigned long lkl_load(void)
{
	static char head[PAGE] __attribute__((aligned(8)));
	const Elf64_Ehdr *eh = (void *)head;
	const Elf64_Phdr *ph, *first = NULL, *last = NULL;
	u64 image;
	int i;

	read_at(LKL_FD_WINDOW, &image, sizeof(image), offsetof(struct lkl_header, image));
	read_at(LKL_FD_IMAGE, head, sizeof(head), image);
	ph = (void *)(head + eh->e_phoff);
	if (eh->e_ident[0] != ELFMAG0 || eh->e_phoff % 8 ||
	    eh->e_phoff + eh->e_phnum * sizeof(*ph) > sizeof(head))
		fail("not a kernel image");

	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		first = first ?: &ph[i];
		last = &ph[i];
		if (!(image % PAGE))
			map_segment(&ph[i], image);
	}
	if (!first)
		fail("not a kernel image");
	if (!(image % PAGE))
		return eh->e_entry;

	map(DOWN(first->p_vaddr), UP(last->p_vaddr + last->p_memsz),
	    PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	call(madvise, DOWN(first->p_vaddr), UP(last->p_vaddr + last->p_memsz) -
	     DOWN(first->p_vaddr), MADV_HUGEPAGE, 0, 0, 0);
	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			read_segment(&ph[i], image);
	return eh->e_entry;
}
