/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_DISK_H
#define _LKL_DISK_H

#include <linux/blk-mq.h>
#include <linux/list.h>
#include <linux/xarray.h>
#include <asm/ring.h>

/* The most pieces of memory in one request. */
#define LKL_DISK_SEGMENTS	64
/* The longest request: it crosses to the parent in one piece. */
#define LKL_DISK_MAX_TRANSFER	SZ_1M

struct disk {
	u32 id;
	u32 flags;			/* LKL_DISK_* */
	int fd, overlay_fd;		/* of the host, or -1 */
	struct xarray dirty;		/* overlay.c: which sectors it holds */
	u64 overlay_room;		/* sectors that it may yet take */
	struct blk_mq_tag_set tags;
	struct gendisk *gd;
	struct list_head starved;	/* served.c: waits for room in the ring */
};

/* disk.c */
extern const struct block_device_operations lkl_disk_fops;

/* queue.c */
extern const struct blk_mq_ops lkl_disk_ops;

/* A read or write of the descriptor itself. */
blk_status_t lkl_disk_rw(struct disk *d, struct request *rq);

/*
 * Move part of a request's data: @skip bytes into it, @len bytes, from or to
 * the host's descriptor at @pos. Returns 0 or minus an errno; -EAGAIN if a
 * read would have to wait for the host's disk and @flags has RWF_NOWAIT.
 */
int lkl_disk_transfer(struct request *rq, int fd, u64 skip, u64 len, u64 pos,
		      int flags);

/* served.c: let the parent do it, and end the request when it answers */
blk_status_t lkl_disk_serve(struct disk *d, struct request *rq);
u64 lkl_disk_in_window(struct request *rq);
void lkl_disk_unserve(struct disk *d);

/* locate.c */
bool lkl_disk_locate(struct disk *d, struct request *rq);
void lkl_disk_locate_no_more(void);

/* mapped.c */
bool lkl_disk_is_below(struct block_device *bdev);

/* overlay.c */
blk_status_t lkl_overlay_rw(struct disk *d, struct request *rq);
bool lkl_overlay_is_clean(struct disk *d, struct request *rq);
void lkl_overlay_free(struct disk *d);

#endif
