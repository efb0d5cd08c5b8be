// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that the parent does: all those to disks it serves, and of other
 * disks those that would make this thread wait. Data crosses in the bounce
 * part of the window, or in no memory of its own if the request's already is
 * in the window, as that of direct I/O is.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include "disk.h"

#define BOUNCE_SHIFT	16
#define BOUNCE_UNITS	((LKL_WINDOW_SIZE - LKL_OFF_BOUNCE) >> BOUNCE_SHIFT)

struct served {
	struct disk *disk;
	struct request *rq;
	unsigned int unit, units;	/* of the bounce area; none: in place */
};

static struct lkl_block *blocks = lkl_window(LKL_OFF_BLOCKS);
static struct served served[LKL_BLOCKS];
static DECLARE_BITMAP(tags_used, LKL_BLOCKS);
static DECLARE_BITMAP(units_used, BOUNCE_UNITS);
static LIST_HEAD(starved_disks);

unsigned int lkl_blocks_served(void)
{
	return bitmap_weight(tags_used, LKL_BLOCKS);
}

/* If the request's memory is one piece of the window, its offset there; or 0. */
u64 lkl_disk_in_window(struct request *rq)
{
	struct bio_vec bv = req_bvec(rq);
	unsigned long addr = (unsigned long)bvec_virt(&bv);

	if (bv.bv_len != blk_rq_bytes(rq) || addr < LKL_WINDOW_BASE ||
	    addr + bv.bv_len > LKL_WINDOW_BASE + LKL_OFF_BOUNCE)
		return 0;
	return addr - LKL_WINDOW_BASE;
}

static void copy(struct request *rq, char *bounce, bool to_bounce)
{
	struct req_iterator it;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, it) {
		if (to_bounce)
			memcpy(bounce, bvec_virt(&bv), bv.bv_len);
		else
			memcpy(bvec_virt(&bv), bounce, bv.bv_len);
		bounce += bv.bv_len;
	}
}

static char *bounce_of(const struct served *s)
{
	return lkl_window(LKL_OFF_BOUNCE + ((u64)s->unit << BOUNCE_SHIFT));
}

static u32 block_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return LKL_BLOCK_READ;
	case REQ_OP_WRITE:
		return LKL_BLOCK_WRITE;
	case REQ_OP_DISCARD:
		return LKL_BLOCK_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return LKL_BLOCK_ZEROES;
	default:
		return LKL_BLOCK_FLUSH;
	}
}

/* Find room for the data of a request. Returns false if there is none now. */
static bool find_room(struct served *s, struct request *rq, u64 *buffer)
{
	unsigned long unit;

	s->units = 0;
	*buffer = 0;
	if (req_op(rq) != REQ_OP_READ && req_op(rq) != REQ_OP_WRITE)
		return true;
	*buffer = lkl_disk_in_window(rq);
	if (*buffer)
		return true;
	s->units = DIV_ROUND_UP(blk_rq_bytes(rq), 1U << BOUNCE_SHIFT);
	unit = bitmap_find_next_zero_area(units_used, BOUNCE_UNITS, 0, s->units, 0);
	if (unit >= BOUNCE_UNITS)
		return false;
	bitmap_set(units_used, unit, s->units);
	s->unit = unit;
	*buffer = LKL_OFF_BOUNCE + ((u64)unit << BOUNCE_SHIFT);
	return true;
}

blk_status_t lkl_disk_serve(struct disk *d, struct request *rq)
{
	unsigned int tag = find_first_zero_bit(tags_used, LKL_BLOCKS);
	unsigned long flags;
	struct served *s;
	u64 buffer;

	if (tag == LKL_BLOCKS || !find_room(&served[tag], rq, &buffer)) {
		local_irq_save(flags);
		if (list_empty(&d->starved))
			list_add_tail(&d->starved, &starved_disks);
		local_irq_restore(flags);
		return BLK_STS_RESOURCE;
	}
	set_bit(tag, tags_used);
	s = &served[tag];
	s->disk = d;
	s->rq = rq;
	if (!blk_mq_request_started(rq))
		blk_mq_start_request(rq);
	if (s->units && req_op(rq) == REQ_OP_WRITE)
		copy(rq, bounce_of(s), true);
	blocks[tag] = (struct lkl_block) {
		.disk = d->id,
		.op = block_op(rq),
		.offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
		.length = req_op(rq) == REQ_OP_FLUSH ? 0 : blk_rq_bytes(rq),
		.buffer = buffer,
	};
	lkl_ring_push(&lkl_block_ring, tag);
	return BLK_STS_OK;
}

static void done(unsigned int tag)
{
	struct served *s = &served[tag];
	struct request *rq = s->rq;
	s32 result = READ_ONCE(blocks[tag].result);

	if (!rq) {
		pr_err_once("lkl: the parent ended block request %u twice\n", tag);
		return;
	}
	s->rq = NULL;
	if (s->units) {
		if (!result && req_op(rq) == REQ_OP_READ)
			copy(rq, bounce_of(s), false);
		bitmap_clear(units_used, s->unit, s->units);
	}
	clear_bit(tag, tags_used);
	if (result > 0 || result < -MAX_ERRNO)
		result = -EIO;
	blk_mq_end_request(rq, errno_to_blk_status(result));
}

/* An interrupt: the parent has answered. */
void lkl_done_interrupt(void)
{
	struct disk *d, *next;
	DECLARE_BITMAP(tags, LKL_BLOCKS) = { };
	int tag;

	if (!lkl_done_news())
		return;
	while ((tag = lkl_ring_pop(&lkl_done_ring)) >= 0)
		__set_bit(tag, tags);
	for_each_set_bit(tag, tags, LKL_BLOCKS)
		done(tag);
	list_for_each_entry_safe(d, next, &starved_disks, starved) {
		list_del_init(&d->starved);
		blk_mq_run_hw_queues(d->gd->queue, true);
	}
}

void lkl_disk_unserve(struct disk *d)
{
	unsigned long flags;

	local_irq_save(flags);
	list_del_init(&d->starved);
	local_irq_restore(flags);
}
