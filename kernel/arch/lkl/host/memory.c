// SPDX-License-Identifier: GPL-2.0-only
/* The memory of the process: the window, which is shared, and RAM. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <asm/host.h>

#define HOST_PROT_READ			0x1
#define HOST_PROT_WRITE			0x2
#define HOST_MAP_SHARED			0x01
#define HOST_MAP_PRIVATE		0x02
#define HOST_MAP_ANONYMOUS		0x20
#define HOST_MAP_NORESERVE		0x4000
#define HOST_MAP_FIXED_NOREPLACE	0x100000
#define HOST_MADV_HUGEPAGE		14

#define HOST_FUTEX_WAKE			1
#define HOST_FUTEX_WAIT_BITSET		9

static bool __init map(unsigned long start, unsigned long len, long flags, int fd)
{
	return lkl_host_call(mmap, start, len, HOST_PROT_READ | HOST_PROT_WRITE,
			     flags | HOST_MAP_FIXED_NOREPLACE, fd, 0) == start;
}

void __init lkl_host_map_window(void)
{
	if (!map(LKL_WINDOW_BASE, LKL_WINDOW_SIZE, HOST_MAP_SHARED, LKL_FD_WINDOW))
		lkl_host_die(LKL_EXIT_SETUP, "cannot map the window");
	if (lkl_header->magic != LKL_MAGIC || lkl_header->version != LKL_VERSION)
		lkl_host_die(LKL_EXIT_SETUP, "the parent speaks another version");
}

/*
 * RAM is private: page faults on it are cheaper than on shared memory, and
 * the host may back it with huge pages, which halves the time to boot. A page
 * more than asked for: load_unaligned_zeropad() may look past the end.
 */
void __init lkl_host_map_ram(unsigned long start, unsigned long len)
{
	if (!map(start, len + PAGE_SIZE,
		 HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE, -1))
		lkl_host_die(LKL_EXIT_SETUP, "cannot map memory");
	lkl_host_call(madvise, start, len, HOST_MADV_HUGEPAGE, 0, 0, 0);
}

/* Once, where the filter says it: sandbox.c. */
int lkl_host_map_user(int fd, unsigned long start, unsigned long len)
{
	long ret = lkl_host_call(mmap, start, len, HOST_PROT_READ | HOST_PROT_WRITE,
				 HOST_MAP_SHARED | HOST_MAP_FIXED_NOREPLACE, fd, 0);

	return ret == start ? 0 : ret;
}

void lkl_host_protect_rodata(unsigned long start, unsigned long end)
{
	lkl_host_call(mprotect, start, end - start, HOST_PROT_READ, 0, 0, 0);
}

void lkl_host_wake(u32 *word)
{
	lkl_host_call(futex, word, HOST_FUTEX_WAKE, INT_MAX, 0, 0, 0);
}

void lkl_host_wait(u32 *word, u32 val, u64 until)
{
	u64 date = lkl_host_date(until);
	struct lkl_host_timespec ts = {
		.sec = date / NSEC_PER_SEC,
		.nsec = date % NSEC_PER_SEC,
	};

	lkl_host_call(futex, word, HOST_FUTEX_WAIT_BITSET, val,
		      until == U64_MAX ? NULL : &ts, 0, ~0U);
}
