// SPDX-License-Identifier: GPL-2.0-only
/* Attaching and detaching disks. */
#include <linux/blkdev.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "disk.h"

#define DISK_MINORS	64

static struct disk *disks[LKL_DISKS];
static int disk_major;

const struct block_device_operations lkl_disk_fops = { };

static void host_close(int fd)
{
	if (fd >= 0)
		lkl_host_call(close, fd, 0, 0, 0, 0, 0);
}

/* Take the descriptors that the parent has sent before the request. */
static int receive_fds(struct disk *d)
{
	int fds[2] = { -1, -1 }, err;

	if (!(d->flags & LKL_DISK_FD))
		return 0;
	err = lkl_host_receive(fds, d->flags & LKL_DISK_OVERLAY ? 2 : 1);
	d->fd = fds[0];
	d->overlay_fd = fds[1];
	return err;
}

static struct queue_limits limits_of(const struct lkl_disk *l)
{
	struct queue_limits lim = {
		.logical_block_size	= l->logical_block,
		.physical_block_size	= max(l->physical_block, l->logical_block),
		.max_hw_sectors		= LKL_DISK_MAX_TRANSFER >> SECTOR_SHIFT,
		.max_segments		= LKL_DISK_SEGMENTS,
		.max_segment_size	= UINT_MAX,
		/* twice that is read ahead */
		.io_opt			= SZ_256K,
	};

	if (!(l->flags & LKL_DISK_OVERLAY))
		lim.features |= BLK_FEAT_WRITE_CACHE;
	if (l->flags & LKL_DISK_DISCARD) {
		lim.max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
		lim.discard_granularity = max(lim.physical_block_size, 4096U);
	}
	if (l->flags & LKL_DISK_ZEROES)
		lim.max_write_zeroes_sectors = UINT_MAX >> SECTOR_SHIFT;
	return lim;
}

static int make_disk(struct disk *d, const struct lkl_disk *l)
{
	struct queue_limits lim = limits_of(l);
	u32 i = d->id;
	int err;

	d->tags.ops = &lkl_disk_ops;
	err = blk_mq_alloc_sq_tag_set(&d->tags, &lkl_disk_ops, 32,
				      BLK_MQ_F_SHOULD_MERGE |
				      BLK_MQ_F_NO_SCHED_BY_DEFAULT);
	if (err)
		return err;
	d->gd = blk_mq_alloc_disk(&d->tags, &lim, d);
	if (IS_ERR(d->gd)) {
		err = PTR_ERR(d->gd);
		goto free_tags;
	}
	d->gd->major = disk_major;
	d->gd->first_minor = i * DISK_MINORS;
	d->gd->minors = DISK_MINORS;
	d->gd->fops = &lkl_disk_fops;
	d->gd->private_data = d;
	if (i < 26)
		snprintf(d->gd->disk_name, DISK_NAME_LEN, "sd%c", 'a' + i);
	else
		snprintf(d->gd->disk_name, DISK_NAME_LEN, "sd%c%c",
			 'a' + i / 26 - 1, 'a' + i % 26);
	/* whole blocks: the rest of a truncated image is out of reach */
	set_capacity(d->gd, round_down(l->size, l->logical_block) >> SECTOR_SHIFT);
	set_disk_ro(d->gd, l->flags & LKL_DISK_RDONLY);
	err = add_disk(d->gd);
	if (err)
		goto put_disk;
	return 0;

put_disk:
	put_disk(d->gd);
free_tags:
	blk_mq_free_tag_set(&d->tags);
	return err;
}

static void free_disk(struct disk *d)
{
	host_close(d->fd);
	host_close(d->overlay_fd);
	lkl_overlay_free(d);
	kfree(d);
}

long lkl_disk_add(u64 ptr)
{
	struct lkl_disk l;
	struct disk *d;
	int err;

	if (copy_from_user(&l, (void *)ptr, sizeof(l)))
		return -EFAULT;
	if (l.id >= LKL_DISKS || !is_power_of_2(l.logical_block) ||
	    l.logical_block < 512 || l.logical_block > PAGE_SIZE ||
	    l.size > LLONG_MAX)
		return -EINVAL;
	if (disks[l.id])
		return -EEXIST;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->id = l.id;
	d->flags = l.flags;
	if (lkl_fixed_clock())
		d->flags &= ~LKL_DISK_NOWAIT;	/* whatever the host has cached */
	d->fd = d->overlay_fd = -1;
	d->overlay_room = (l.overlay_limit ?: U64_MAX) >> SECTOR_SHIFT;
	xa_init(&d->dirty);
	INIT_LIST_HEAD(&d->starved);
	disks[l.id] = d;		/* add_disk() may wait: the id is taken */
	err = receive_fds(d);
	if (!err)
		err = make_disk(d, &l);
	if (err) {
		disks[l.id] = NULL;
		free_disk(d);
		return err;
	}
	strscpy(l.name, d->gd->disk_name, sizeof(l.name));
	if (copy_to_user((void *)ptr, &l, sizeof(l)))
		return -EFAULT;
	return 0;
}

long lkl_disk_del(u64 id)
{
	struct disk *d;

	if (id >= LKL_DISKS || !disks[id] || !disks[id]->gd)
		return -ENODEV;
	d = disks[id];
	if (disk_openers(d->gd))
		return -EBUSY;
	disks[id] = NULL;
	del_gendisk(d->gd);
	lkl_disk_unserve(d);
	put_disk(d->gd);
	blk_mq_free_tag_set(&d->tags);
	free_disk(d);
	return 0;
}

static int __init disk_init(void)
{
	disk_major = register_blkdev(0, "sd");
	return disk_major < 0 ? disk_major : 0;
}
device_initcall(disk_init);
