// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stacks of tasks, from memory set aside for them.
 *
 * Elsewhere they are virtually contiguous, or compaction makes room for them.
 * Here there is neither, and once caches have filled memory no 32 KiB of it
 * may lie together: the next kernel thread would be the end of the machine.
 * The host gives memory for what is touched only, so this costs little.
 *
 * Each device of the device mapper has a thread, and some have several. Where these
 * are used up, stacks are contiguous pages as long as there are any.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/thread_info.h>
#include <asm/setup.h>

#define MIN_STACKS	128UL
#define MAX_STACKS	256UL

static char *stacks, *stacks_end;	/* of THREAD_SIZE each */
static u16 free_list[MAX_STACKS];	/* the last one freed is used first */
static unsigned int nr_free;

void __init lkl_reserve_stacks(void)
{
	/* a sixteenth of memory, within bounds */
	unsigned int i, count = clamp((lkl_ram_end - LKL_IMAGE_BASE) / SZ_512K,
				      MIN_STACKS, MAX_STACKS);

	stacks = memblock_alloc_raw(count * THREAD_SIZE, THREAD_SIZE);
	if (!stacks)
		return;
	stacks_end = stacks + count * THREAD_SIZE;
	for (i = 0; i < count; i++)
		free_list[i] = count - 1 - i;
	nr_free = count;
}

/* A stack, or NULL if none is left. It is not cleared: nothing reads what it has not written. */
struct page *lkl_alloc_stack(void)
{
	unsigned long flags;
	void *stack = NULL;

	local_irq_save(flags);
	if (nr_free)
		stack = stacks + free_list[--nr_free] * THREAD_SIZE;
	local_irq_restore(flags);
	return stack ? virt_to_page(stack) : NULL;
}

/* False if the page is not a stack of these. */
bool lkl_free_stack(struct page *page)
{
	char *p = page_address(page);
	unsigned long flags;

	if (p < stacks || p >= stacks_end)
		return false;
	local_irq_save(flags);
	free_list[nr_free++] = (p - stacks) / THREAD_SIZE;
	local_irq_restore(flags);
	return true;
}
