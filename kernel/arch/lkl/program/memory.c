// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of programs: a zone of its own, of shared memory, which comes with
 * the first program. What the kernel keeps for itself stays in private memory, out
 * of reach of whatever runs in a stub. Here lie the pages that a program may have
 * mapped: its own, and the page cache of files. Those are what the kernel asks for
 * with GFP_HIGHUSER_MOVABLE, so it is ZONE_MOVABLE, and once there is one, such
 * pages come from nowhere else. What was cached before is moved when a program
 * maps it (fault.c).
 *
 * It has struct pages from the start (their memory is not touched), and grows in
 * pieces, like RAM (kernel/grow.c), as long as little of it is free.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/pageblock-flags.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <net/net_namespace.h>
#include <asm/host.h>
#include <asm/program.h>
#include <asm/ring.h>
#include <asm/setup.h>
#include <asm/wrap.h>
#include "internal.h"

#define CHUNK_PAGES	(LKL_GROWS_BY >> PAGE_SHIFT)
#define CHUNK_ORDER	ilog2(CHUNK_PAGES)
#define CACHE_PAGES	(SZ_256M >> PAGE_SHIFT)

unsigned long lkl_user_start, lkl_user_end;
EXPORT_SYMBOL(lkl_user_start);
EXPORT_SYMBOL(lkl_user_end);

static unsigned long next_pfn, last_pfn;	/* not in use yet */
static bool in_use;

static struct zone *zone(void)
{
	return &NODE_DATA(0)->node_zones[ZONE_MOVABLE];
}

bool lkl_user_memory(void)
{
	return in_use;
}

static void add_chunk(void)
{
	lkl_add_pages(next_pfn, ZONE_MOVABLE);
	next_pfn += CHUNK_PAGES;
}

/*
 * Nothing but what belongs there may have pages of this zone, and that does so by
 * the order of zones. That what belongs there takes no page of another is done by
 * asking for more of those to be left free than there are.
 */
static void set_reserve(long pages)
{
	struct zone *z;

	for_each_populated_zone(z)
		if (z != zone())
			z->lowmem_reserve[ZONE_MOVABLE] = pages;
}

/* Memory has grown. How much may be dirty is reckoned without that reserve. */
void lkl_set_watermarks(void)
{
	if (in_use)
		set_reserve(0);
	setup_per_zone_wmarks();
	if (in_use)
		set_reserve(LONG_MAX / 4);
}

static unsigned long cached(void)
{
	return zone_page_state(zone(), NR_ZONE_INACTIVE_FILE) +
	       zone_page_state(zone(), NR_ZONE_ACTIVE_FILE);
}

/*
 * Is there more, and little of what there is free? What has been read and could be
 * read again takes part of it at will, and the rest only instead of failing.
 */
bool lkl_user_can_grow(void)
{
	return in_use && next_pfn < last_pfn && cached() < CACHE_PAGES &&
	       zone_page_state(zone(), NR_FREE_PAGES) <
	       high_wmark_pages(zone()) + CHUNK_PAGES / 4;
}

bool lkl_user_is_short(void)
{
	return in_use && zone_page_state(zone(), NR_FREE_PAGES) < low_wmark_pages(zone());
}

/* Reclaiming has come to nothing. */
bool lkl_user_grow_instead(void)
{
	if (!in_use || next_pfn >= last_pfn)
		return false;
	lkl_user_grow();
	return true;
}

void lkl_user_grow(void)
{
	add_chunk();
	lkl_set_watermarks();
}

/* Memory that is not used has been cut to whole pieces by the parent. */
void __init lkl_place_user(unsigned long start)
{
	unsigned long size = READ_ONCE(lkl_header->programs);

	lkl_user_start = lkl_user_end = ALIGN(start, LKL_GROWS_BY);
	if (size > SZ_64G || !IS_ALIGNED(size, LKL_PROGRAMS_UNIT))
		lkl_host_die(LKL_EXIT_SETUP, "not a size for the memory of programs");
	lkl_user_end += size;
	next_pfn = lkl_user_start >> PAGE_SHIFT;
	last_pfn = lkl_user_end >> PAGE_SHIFT;
}

void __init lkl_limit_user(unsigned long size)
{
	if (size > lkl_user_end - lkl_user_start || !IS_ALIGNED(size, LKL_PROGRAMS_UNIT))
		lkl_host_die(LKL_EXIT_SETUP, "not a size for the memory of programs");
	lkl_user_end = lkl_user_start + size;
	last_pfn = lkl_user_end >> PAGE_SHIFT;
}

/* Of totalram_pages(). */
unsigned long lkl_user_pages(void)
{
	return in_use ? (lkl_user_end - lkl_user_start) >> PAGE_SHIFT : 0;
}

/* What can come yet is free, for programs that look how much they may take. */
LKL_WRAP(void, si_meminfo, struct sysinfo *info)
{
	__real_si_meminfo(info);
	info->freeram += in_use ? last_pfn - next_pfn : 0;
}

LKL_WRAP(long, si_mem_available, void)
{
	return __real_si_mem_available() + (in_use ? last_pfn - next_pfn : 0);
}

/* As for a zone that memory is plugged into. */
static int __ref make_zone(void)
{
	struct zone *z = zone();
	unsigned long pages = last_pfn - next_pfn;
	unsigned long blocks = DIV_ROUND_UP(pages, pageblock_nr_pages) + 1;

	z->pageblock_flags = kzalloc(DIV_ROUND_UP(blocks * NR_PAGEBLOCK_BITS, 8) + 8, GFP_KERNEL);
	if (!z->pageblock_flags)
		return -ENOMEM;
	init_currently_empty_zone(z, next_pfn, pages);
	z->spanned_pages = pages;
	add_chunk();
	setup_zone_pageset(z);
	build_all_zonelists(NULL);
	page_group_by_mobility_disabled = 1;
	in_use = true;
	totalram_pages_add(lkl_user_pages());	/* all of it: tmpfs takes a half of it */
	lkl_set_watermarks();
	return 0;
}

/* One that programs can have mapped; static data is not that. */
static int make_zero_page(void)
{
	extern unsigned long zero_pfn;	/* mm/memory.c */
	struct page *page = alloc_page(LKL_GFP_PROGRAM | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	lkl_zero_page = page;
	zero_pfn = page_to_pfn(page);
	return 0;
}

static void drop_pages(struct super_block *sb, void *unused)
{
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		if ((inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW)) ||
		    mapping_empty(inode->i_mapping)) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);
		invalidate_mapping_pages(inode->i_mapping, 0, -1);
		iput(last);
		last = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

/* 127.0.0.1, which programs take for granted. */
static void bring_up_loopback(void)
{
	struct net_device *lo = init_net.loopback_dev;

	rtnl_lock();
	dev_change_flags(lo, dev_get_flags(lo) | IFF_UP, NULL);
	rtnl_unlock();
}

static int map_memory(void)
{
	unsigned long len = lkl_user_end - lkl_user_start;
	int fd = -1, err = lkl_host_receive(&fd, 1);

	if (err)
		return err;
	if (in_use)
		err = -EALREADY;
	else if (!len)
		err = -ENOMEM;
	else
		err = lkl_host_map_user(fd, lkl_user_start, len + LKL_CONTROL_SIZE);
	lkl_host_call(close, fd, 0, 0, 0, 0, 0);
	return err;
}

long lkl_programs(void)
{
	int err = map_memory();

	if (!err)
		err = make_zone();
	if (!err)
		err = make_zero_page();
	if (err)
		return err;
	lkl_stub_init((void *)lkl_user_end);
	bring_up_loopback();
	lkl_vdso_init();
	lkl_set_workers();
	iterate_supers(drop_pages, NULL);	/* there is less to move afterwards */
	return 0;
}
