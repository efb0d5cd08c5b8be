// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy on write. Writes go to a second descriptor, a sparse file of the
 * disk's size, at the same offsets; a bit for each sector says where to read
 * it. The base is never written: its descriptor is opened for reading only.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/xarray.h>
#include "disk.h"

/* A page of bits, at the index of the first sector it tells of. */
#define PAGE_BITS	(PAGE_SIZE * BITS_PER_BYTE)

/* How many of the @max sectors from @sector on lie in the same place. */
static u64 run(struct disk *d, u64 sector, u64 max, bool *dirty)
{
	unsigned long bit = sector % PAGE_BITS, end;
	unsigned long *bits = xa_load(&d->dirty, sector / PAGE_BITS);

	max = min(max, PAGE_BITS - bit);
	if (!bits) {
		*dirty = false;
		return max;
	}
	*dirty = test_bit(bit, bits);
	end = *dirty ? find_next_zero_bit(bits, bit + max, bit) :
		       find_next_bit(bits, bit + max, bit);
	return end - bit;
}

/* The bits for @sector, all there before its data is written. */
static unsigned long *make_bits(struct disk *d, u64 sector)
{
	unsigned long index = sector / PAGE_BITS;
	unsigned long *bits = xa_load(&d->dirty, index);

	if (bits)
		return bits;
	bits = (unsigned long *)get_zeroed_page(GFP_NOIO);
	if (bits && xa_err(xa_store(&d->dirty, index, bits, GFP_NOIO))) {
		free_page((unsigned long)bits);
		bits = NULL;
	}
	return bits;
}

static int overlay_write(struct disk *d, struct request *rq)
{
	u64 first = blk_rq_pos(rq), sector = first;
	u64 end = first + blk_rq_sectors(rq);

	while (sector < end) {
		unsigned long *bits = make_bits(d, sector);
		unsigned long bit = sector % PAGE_BITS;
		u64 n = min(end - sector, PAGE_BITS - bit), fresh;
		int err;

		if (!bits)
			return -ENOMEM;
		fresh = n - (bitmap_weight(bits, bit + n) - bitmap_weight(bits, bit));
		if (fresh > d->overlay_room)
			return -ENOSPC;
		err = lkl_disk_transfer(rq, d->overlay_fd,
					(sector - first) << SECTOR_SHIFT,
					n << SECTOR_SHIFT, sector << SECTOR_SHIFT, 0);
		if (err)
			return err;
		bitmap_set(bits, bit, n);
		d->overlay_room -= fresh;
		sector += n;
	}
	return 0;
}

static int overlay_read(struct disk *d, struct request *rq)
{
	u64 first = blk_rq_pos(rq), sector = first;
	u64 end = first + blk_rq_sectors(rq), n;

	for (; sector < end; sector += n) {
		bool dirty;
		int err;

		n = run(d, sector, end - sector, &dirty);
		err = lkl_disk_transfer(rq, dirty ? d->overlay_fd : d->fd,
					(sector - first) << SECTOR_SHIFT,
					n << SECTOR_SHIFT, sector << SECTOR_SHIFT, 0);
		if (err)
			return err;
	}
	return 0;
}

/* Whether a read is one that the base alone answers. */
bool lkl_overlay_is_clean(struct disk *d, struct request *rq)
{
	bool dirty = true;

	return xa_empty(&d->dirty) ||
	       (run(d, blk_rq_pos(rq), blk_rq_sectors(rq), &dirty) ==
		blk_rq_sectors(rq) && !dirty);
}

blk_status_t lkl_overlay_rw(struct disk *d, struct request *rq)
{
	int err;

	if (rq_data_dir(rq) == READ && lkl_overlay_is_clean(d, rq))
		return lkl_disk_rw(d, rq);
	blk_mq_start_request(rq);
	err = rq_data_dir(rq) == WRITE ? overlay_write(d, rq) : overlay_read(d, rq);
	blk_mq_end_request(rq, errno_to_blk_status(err));
	return BLK_STS_OK;
}

void lkl_overlay_free(struct disk *d)
{
	unsigned long index;
	void *bits;

	xa_for_each(&d->dirty, index, bits)
		free_page((unsigned long)bits);
	xa_destroy(&d->dirty);
}
