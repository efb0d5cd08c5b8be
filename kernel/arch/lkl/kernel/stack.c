// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stacks of tasks, from memory set aside for them.
 *
 * Elsewhere they are virtually contiguous, or compaction makes room for them.
 * Here there is neither, and once caches have filled memory no 32 KiB of it
 * may lie together: the next kernel thread would be the end of the machine.
 * The host gives memory for what is touched only, so this costs little.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <asm/setup.h>

#define STACKS		128

static char *stacks;			/* STACKS of THREAD_SIZE */
static u16 free_list[STACKS];		/* the last one freed is used first */
static unsigned int nr_free;

void __init lkl_reserve_stacks(void)
{
	unsigned int i;

	stacks = memblock_alloc_raw(STACKS * THREAD_SIZE, THREAD_SIZE);
	if (!stacks)
		return;
	for (i = 0; i < STACKS; i++)
		free_list[i] = STACKS - 1 - i;
	nr_free = STACKS;
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

	if (p < stacks || p >= stacks + STACKS * THREAD_SIZE)
		return false;
	local_irq_save(flags);
	free_list[nr_free++] = (p - stacks) / THREAD_SIZE;
	local_irq_restore(flags);
	return true;
}
