// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to a disk that is a descriptor of the host. Most are done at once,
 * by one system call: data in the host's page cache is a copy away. What
 * would wait goes to the parent, so that this thread does not.
 */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/kernel.h>
#include <asm/setup.h>
#include "disk.h"

bool lkl_wrote;

/* Gather the memory of part of a request; neighbours become one piece. */
static int gather(struct request *rq, u64 skip, u64 len, struct lkl_host_iovec *iov)
{
	struct req_iterator it;
	struct bio_vec bv;
	int n = 0;

	rq_for_each_bvec(bv, rq, it) {
		u64 part = bv.bv_len;
		void *p = bvec_virt(&bv);

		if (skip >= part) {
			skip -= part;
			continue;
		}
		p += skip;
		part = min(part - skip, len);
		skip = 0;
		len -= part;
		if (n && iov[n - 1].base + iov[n - 1].len == p) {
			iov[n - 1].len += part;
		} else {
			if (WARN_ON_ONCE(n == LKL_DISK_SEGMENTS))
				return -EIO;
			iov[n].base = p;
			iov[n++].len = part;
		}
		if (!len)
			break;
	}
	return n;
}

int lkl_disk_transfer(struct request *rq, int fd, u64 skip, u64 len, u64 pos, int flags)
{
	struct lkl_host_iovec iov[LKL_DISK_SEGMENTS], *v = iov;
	bool write = op_is_write(req_op(rq));
	int n = gather(rq, skip, len, iov);

	while (n > 0) {
		long ret = write ?
			lkl_host_call(pwritev2, fd, v, n, pos, 0, flags) :
			lkl_host_call(preadv2, fd, v, n, pos, 0, flags);

		if (ret < 0)
			return ret;
		if (!ret)
			return -EIO;	/* shorter than it was when attached */
		pos += ret;
		for (; n && ret >= v->len; v++, n--)
			ret -= v->len;
		if (n) {
			v->base += ret;
			v->len -= ret;
			/* cached in part: the rest may be worth waiting for */
			if (flags & RWF_NOWAIT)
				return -EAGAIN;
		}
	}
	return n;
}

blk_status_t lkl_disk_rw(struct disk *d, struct request *rq)
{
	u64 pos = (u64)blk_rq_pos(rq) << SECTOR_SHIFT, len = blk_rq_bytes(rq);
	bool nowait = (d->flags & LKL_DISK_NOWAIT) && rq_data_dir(rq) == READ;
	int err;

	blk_mq_start_request(rq);
	err = lkl_disk_transfer(rq, d->fd, 0, len, pos, nowait ? RWF_NOWAIT : 0);
	if (nowait && err == -EAGAIN)
		return lkl_disk_serve(d, rq);
	if (nowait && (err == -EOPNOTSUPP || err == -EINVAL)) {
		d->flags &= ~LKL_DISK_NOWAIT;	/* not on this file system */
		err = lkl_disk_transfer(rq, d->fd, 0, len, pos, 0);
	}
	blk_mq_end_request(rq, errno_to_blk_status(err));
	return BLK_STS_OK;
}

/* Punch a hole, or write zeroes, without changing the file's size. */
static blk_status_t do_fallocate(struct disk *d, struct request *rq)
{
	int mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	int err;

	if (d->flags & LKL_DISK_BLKDEV)
		return lkl_disk_serve(d, rq);
	if (req_op(rq) == REQ_OP_WRITE_ZEROES && (rq->cmd_flags & REQ_NOUNMAP))
		mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE;
	err = lkl_host_call(fallocate, d->fd, mode, (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
			    blk_rq_bytes(rq), 0, 0);
	blk_mq_end_request(rq, errno_to_blk_status(err));
	return BLK_STS_OK;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx,
			     const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct disk *d = hctx->queue->queuedata;

	lkl_wrote |= op_is_write(req_op(rq));
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		if (lkl_disk_locate(d, rq)) {
			blk_mq_start_request(rq);
			blk_mq_end_request(rq, BLK_STS_OK);
			return BLK_STS_OK;
		}
		if (d->flags & LKL_DISK_OVERLAY)
			return lkl_overlay_rw(d, rq);
		if (!(d->flags & LKL_DISK_FD))
			return lkl_disk_serve(d, rq);
		return lkl_disk_rw(d, rq);
	case REQ_OP_FLUSH:
		/* what an overlay holds is not meant to last */
		if (!(d->flags & LKL_DISK_OVERLAY))
			return lkl_disk_serve(d, rq);
		blk_mq_start_request(rq);
		blk_mq_end_request(rq, BLK_STS_OK);
		return BLK_STS_OK;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		if (!(d->flags & LKL_DISK_FD))
			return lkl_disk_serve(d, rq);
		blk_mq_start_request(rq);
		return do_fallocate(d, rq);
	default:
		return BLK_STS_NOTSUPP;
	}
}

const struct blk_mq_ops lkl_disk_ops = { .queue_rq = queue_rq };
