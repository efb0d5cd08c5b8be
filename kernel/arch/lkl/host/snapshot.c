// SPDX-License-Identifier: GPL-2.0-only
/* Leaving this process for a file, and going on in another: asm/snapshot.h. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/host.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <asm/snapshot.h>
#include <asm/time.h>
#include <../mm/slab.h>

/* What a function must keep, where it stood, and when: switch.S. */
static unsigned long context[8];
static u64 left_at;

static void __init put(const void *from, unsigned long off)
{
	if (lkl_host_call(pwrite64, LKL_FD_IMAGE, from, PAGE_SIZE, off, 0, 0) != PAGE_SIZE)
		lkl_host_die(LKL_EXIT_SETUP, "cannot write the snapshot");
}

/* Pages that are free hold nothing, whatever is in them. */
static unsigned long __init skip_free(unsigned long addr)
{
	struct page *page = virt_to_page((void *)addr);

	return PageBuddy(page) ? PAGE_SIZE << page_private(page) : 0;
}

static void __init put_pages(unsigned long addr, unsigned long end, bool ram)
{
	while (addr < end) {
		unsigned long skip = ram ? skip_free(addr) : 0;

		if (!skip && memchr_inv((void *)addr, 0, PAGE_SIZE))
			put((void *)addr, addr - LKL_WINDOW_BASE);
		addr += skip ?: PAGE_SIZE;
	}
}

/* Which cache a page of RAM is of: whoever compares snapshots can name what differs. */
static void __init put_owners(unsigned long addr, unsigned long end, unsigned long off)
{
	static struct lkl_snapshot_owner list[PAGE_SIZE / sizeof(struct lkl_snapshot_owner)] __initdata;
	unsigned int n = 0;

	for (; addr < end; addr += PAGE_SIZE) {
		struct folio *folio = page_folio(virt_to_page((void *)addr));

		if (!folio_test_slab(folio))
			continue;
		list[n].addr = addr;
		strscpy(list[n].cache, folio_slab(folio)->slab_cache->name, sizeof(list[n].cache));
		if (++n == ARRAY_SIZE(list)) {
			put(list, off);
			off += PAGE_SIZE;
			memset(list, 0, sizeof(list));
			n = 0;
		}
	}
	put(list, off);
}

static void __init __noreturn leave(void)
{
	static union {
		struct lkl_snapshot s;
		u8 page[LKL_SNAPSHOT_HEAD];
	} head __initdata = {
		.s.magic = LKL_SNAPSHOT_MAGIC,
		.s.entry = (unsigned long)lkl_machine_resume,
	};
	unsigned long ram = ALIGN((unsigned long)_end, SZ_2M);

	left_at = lkl_now();
	head.s.memory = lkl_header->memory;
	head.s.programs = lkl_header->programs;
	head.s.data = (unsigned long)__start_rodata & PAGE_MASK;
	head.s.data_end = (unsigned long)_end;
	head.s.ram = ram;
	head.s.ram_end = lkl_ram_end;
	memcpy(head.s.cpu, lkl_cpu, sizeof(head.s.cpu));
	strscpy(head.s.cmdline, boot_command_line, sizeof(head.s.cmdline));
	put(&head, 0);
	/* of this process alone, and found anew: the same build gives the same bytes */
	lkl_host_forget();
	put_pages(head.s.data, head.s.data_end, false);
	put_pages(ram, lkl_unused_ram(), true);
	put_owners(ram, lkl_unused_ram(), lkl_ram_end - LKL_WINDOW_BASE);
	lkl_host_exit(0);
}

/* Entered on the host's stack: machine_resume. */
asmlinkage void __init lkl_resume(const unsigned long *sp)
{
	lkl_host_arrive(sp);
	lkl_host_clock_set(left_at);
	lkl_began_ns = left_at;
	lkl_host_protect_rodata((unsigned long)__start_rodata, (unsigned long)__end_rodata);
	lkl_machine_restore(context);
}

bool __init lkl_host_snapshot(void)
{
	if (lkl_machine_save(context))
		return true;
	if (lkl_header->flags & LKL_FLAG_SNAPSHOT)
		leave();
	return false;
}
