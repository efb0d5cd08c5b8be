// SPDX-License-Identifier: GPL-2.0-only
/* Rings of indexes in shared memory, and how to wait for them. */
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <asm/ring.h>

/* How long to look for work before sleeping, after there was some. */
#define SPIN_NS		50000

struct lkl_ring_end lkl_call_ring = {
	.shared = lkl_window(LKL_OFF_CALL_RING),
	.size = LKL_CALLS,
	.limit = LKL_CALLS,
};

struct lkl_ring_end lkl_block_ring = {
	.shared = lkl_window(LKL_OFF_BLOCK_RING),
	.size = LKL_BLOCKS,
	.limit = LKL_BLOCKS,
};

struct lkl_ring_end lkl_done_ring = {
	.shared = lkl_window(LKL_OFF_DONE_RING),
	.size = LKL_BLOCKS,
	.limit = LKL_BLOCKS,
};

/* The next index, or -1 if there is none. */
int lkl_ring_pop(struct lkl_ring_end *r)
{
	while (lkl_ring_pending(r)) {
		u32 index = READ_ONCE(r->shared->entry[r->pos % r->size]);

		r->pos++;
		lkl_shared_store(&r->shared->head, r->pos);
		if (index < r->limit)
			return index;
		pr_err_once("lkl: the parent posted index %u\n", index);
	}
	return -1;
}

/* Post an index, and wake the block server if it sleeps. */
void lkl_ring_push(struct lkl_ring_end *r, u32 index)
{
	u32 *asleep = &lkl_header->server_asleep;
	u64 one = 1;

	WRITE_ONCE(r->shared->entry[r->pos % r->size], index);
	r->pos++;
	lkl_shared_store(&r->shared->tail, r->pos);
	if (lkl_shared_load(asleep) && lkl_shared_xchg(asleep, 0))
		lkl_host_call(write, LKL_FD_EVENT, &one, sizeof(one), 0, 0, 0);
}

/*
 * Look for news until the clock reaches @until, or as long as @may_go_on.
 * Reading the clock takes longer than looking, so that is done less often.
 */
bool lkl_ring_poll(u64 until, bool (*may_go_on)(void))
{
	unsigned int i = 0;

	while (!lkl_ring_news()) {
		if (may_go_on && !may_go_on())
			return false;
		lkl_host_pause();
		if (++i % 16 == 0 && lkl_host_now() >= until)
			return false;
	}
	return true;
}

/*
 * Polling pays when the next request follows closely, and costs a processor
 * when none does. So poll for a while after a request, not after a timer.
 */
void lkl_ring_wait(u64 until)
{
	static u32 seen;
	u32 *asleep = &lkl_header->kernel_asleep;
	u32 taken = lkl_call_ring.pos + lkl_done_ring.pos;

	if (seen != taken && !(lkl_header->flags & LKL_FLAG_NO_SPIN)) {
		u64 spin = READ_ONCE(lkl_header->spin) ?: SPIN_NS;

		seen = taken;
		if (lkl_ring_poll(min(until, lkl_host_now() + spin), NULL))
			return;
	}
	lkl_shared_store(asleep, 1);
	if (!lkl_ring_news())
		lkl_host_wait(asleep, 1, until);
	lkl_shared_store(asleep, 0);
}
