// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device mapper makes of disks by nothing but saying where the data
 * is. Such a target sends a read on to another device, in several parts where
 * it must, and does not look at the data when it has come. A target that
 * decrypts, compares or copies does, and is not one of them; nor is a mirror,
 * which reads from elsewhere if that fails.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/string.h>
#include <asm/wrap.h>
#include "disk.h"
#include "../../../drivers/md/dm-core.h"
#include "../../../drivers/md/dm.h"

/* How deep devices may stand on each other, and how much is looked at. */
#define MAX_DEPTH	8
#define MAX_WORK	1024

static bool only_maps(const struct dm_target *ti)
{
	/*
	 * The pool of thin volumes is another target below them. What no
	 * block is for is zeroed by the volume, and never comes to a disk.
	 */
	static const char *const names[] = {
		"linear", "striped", "thin", "thin-pool",
	};

	return match_string(names, ARRAY_SIZE(names), ti->type->name) >= 0;
}

static bool is_plain(struct gendisk *gd, int depth, int *work);

/*
 * All that the table has opened counts, even if reads do not come there:
 * targets do not name each device when they are asked for them.
 */
static bool table_is_plain(struct dm_table *t, int depth, int *work)
{
	struct dm_dev_internal *dev;

	for (unsigned int i = 0; i < t->num_targets; i++)
		if (--*work < 0 || !only_maps(dm_table_get_target(t, i)))
			return false;
	list_for_each_entry(dev, dm_table_get_devices(t), list)
		if (!is_plain(dev->dm_dev->bdev->bd_disk, depth + 1, work))
			return false;
	return true;
}

static bool is_plain(struct gendisk *gd, int depth, int *work)
{
	struct mapped_device *md;
	struct dm_table *t;
	bool plain;
	int srcu;

	if (--*work < 0 || depth > MAX_DEPTH)
		return false;
	if (gd->fops == &lkl_disk_fops)
		return true;
	md = dm_get_md(disk_devt(gd));
	if (!md)
		return false;
	t = dm_get_live_table(md, &srcu);
	plain = t && table_is_plain(t, depth, work);
	dm_put_live_table(md, srcu);
	dm_put(md);
	return plain;
}

/* Whether a read ends in reads of disks, and in nothing else. Does not sleep. */
bool lkl_disk_is_below(struct block_device *bdev)
{
	int work = MAX_WORK;

	return is_plain(bdev->bd_disk, 0, &work);
}

/*
 * Another table may be one that looks at the data. The device is suspended
 * here: what has been located came by the old table, and what was found to be
 * plain by it, but waits for the new one, is read.
 */
LKL_WRAP(struct dm_table *, dm_swap_table, struct mapped_device *md, struct dm_table *t)
{
	struct dm_table *old = __real_dm_swap_table(md, t);

	lkl_disk_locate_no_more();
	return old;
}
