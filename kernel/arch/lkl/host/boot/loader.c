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
 * What is mapped can be a kernel that has booted: the pages of a snapshot then take
 * the place of those of the image, and it goes on where it stood.
 *
 * This is a program of its own: nothing of the kernel is linked to it.
 */
#include <linux/types.h>
#include <linux/elf.h>
#include <asm/lkl.h>
#include <asm/snapshot.h>
#include <machine.h>
#include <machine_cpu.h>

#define call(nr, a, b, c, d, e, f)					\
	lkl_host_syscall(LKL_HOST_##nr, (long)(a), (long)(b), (long)(c),	\
			 (long)(d), (long)(e), (long)(f))

#define PROT_READ		0x1
#define PROT_WRITE		0x2
#define PROT_EXEC		0x4
#define MAP_PRIVATE		0x02
#define MAP_FIXED		0x10
#define MAP_ANONYMOUS		0x20
#define MAP_NORESERVE		0x4000
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

static struct lkl_header header;

/* What was booted is what the parent would boot, and this is a processor for it. */
static int is_wanted(const struct lkl_snapshot *s)
{
	unsigned int has[4], i;

	if (s->magic != LKL_SNAPSHOT_MAGIC || header.memory < LKL_SNAPSHOT_LEAST ||
	    header.memory > s->memory || header.programs > s->programs)
		return 0;
	for (i = 0; s->cmdline[i] || header.cmdline[i]; i++)
		if (s->cmdline[i] != header.cmdline[i])
			return 0;
	lkl_machine_cpu(has);
	for (i = 0; i < 4; i++)
		if (s->cpu[i] & ~has[i])
			return 0;
	return 1;
}

/*
 * Of the snapshot that follows the image, if there is one and it is wanted. A page more
 * than RAM: see host/memory.c. Returns where the kernel is to be entered, or 0.
 */
static unsigned long take_snapshot(const Elf64_Ehdr *eh, u64 image)
{
	static union {
		struct lkl_snapshot s;
		char bytes[LKL_SNAPSHOT_HEAD];
	} head;
	const struct lkl_snapshot *s = &head.s;
	u64 start = image + UP(eh->e_shoff + eh->e_shnum * sizeof(Elf64_Shdr));
	unsigned long i;

	if ((header.flags & LKL_FLAG_BOOT) ||
	    call(pread64, LKL_FD_IMAGE, &head, sizeof(head), start, 0, 0) != sizeof(head) ||
	    !is_wanted(s))
		return 0;
	map(s->ram, s->ram_end + PAGE, PROT_READ | PROT_WRITE,
	    MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	call(madvise, s->ram, s->ram_end - s->ram, MADV_HUGEPAGE, 0, 0, 0);
	for (i = 0; i < s->nr_runs; i++) {
		const struct lkl_snapshot_run *r = &s->run[i];

		if (start % PAGE)
			read_at(LKL_FD_IMAGE, (void *)r->addr, r->len, start + r->off);
		else
			map(r->addr, r->addr + r->len, PROT_READ | PROT_WRITE, MAP_FIXED,
			    LKL_FD_IMAGE, start + r->off);
	}
	return s->entry;
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

	read_at(LKL_FD_WINDOW, &header, sizeof(header), 0);
	image = header.image;
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
		return take_snapshot(eh, image) ?: eh->e_entry;

	map(DOWN(first->p_vaddr), UP(last->p_vaddr + last->p_memsz),
	    PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	call(madvise, DOWN(first->p_vaddr), UP(last->p_vaddr + last->p_memsz) -
	     DOWN(first->p_vaddr), MADV_HUGEPAGE, 0, 0, 0);
	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			read_segment(&ph[i], image);
	return take_snapshot(eh, image) ?: eh->e_entry;
}
