// SPDX-License-Identifier: GPL-2.0-only
/*
 * RAM that is there but not used yet. A boot pays for each page it is told
 * of, so it is told of LKL_BOOT_MEMORY. Where memory has to be reclaimed, the
 * rest of what the parent allows is a "cache" that gives pages without losing
 * anything. Who writes is given them at once. Who only reads is given them if
 * reclaiming does not serve: what is read once, as by a walk over all files,
 * can as well take the place of what was read before it. Most kernels live and
 * end with what they have started with. What needs many pages that lie
 * together, and does not get them, is given more, too (alloc.c).
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/page-isolation.h>
#include <linux/shrinker.h>
#include <linux/vmstat.h>
#include <asm/program.h>
#include <asm/setup.h>
#include "internal.h"

#define CHUNK_PAGES	(LKL_GROWS_BY >> PAGE_SHIFT)
#define CHUNK_ORDER	ilog2(CHUNK_PAGES)

static unsigned long next_pfn, last_pfn;	/* unused from, to */
static unsigned long refaults_seen;		/* when last grown */

void __init lkl_set_unused(unsigned long start, unsigned long end)
{
	next_pfn = ALIGN(start >> PAGE_SHIFT, CHUNK_PAGES);
	last_pfn = ALIGN_DOWN(end >> PAGE_SHIFT, CHUNK_PAGES);
}

void __init lkl_set_growth(unsigned long bytes)
{
	last_pfn = min(last_pfn, next_pfn + ALIGN_DOWN(bytes >> PAGE_SHIFT, CHUNK_PAGES));
}

unsigned long __init lkl_unused_ram(void)
{
	return next_pfn << PAGE_SHIFT;
}

static bool has_unused(void)
{
	return next_pfn < last_pfn;
}

/* LKL_GROWS_BY more of a zone of the only node, as memory hotplug does it. */
void __ref lkl_add_pages(unsigned long pfn, unsigned long zone)
{
	struct page *chunk = pfn_to_page(pfn);
	unsigned long i;

	for (i = 0; i < CHUNK_PAGES; i++)
		__init_single_page(chunk + i, pfn + i, zone, 0);
	if (zone == ZONE_NORMAL && IS_ALIGNED(pfn, pageblock_nr_pages))
		set_pageblock_migratetype(chunk, MIGRATE_MOVABLE);
	NODE_DATA(0)->node_zones[zone].present_pages += CHUNK_PAGES;
	NODE_DATA(0)->node_present_pages += CHUNK_PAGES;
	__free_pages_core(chunk, CHUNK_ORDER, MEMINIT_EARLY);
}

/* As many pages as there are were read again soon after they had been given up. */
static bool is_thrashing(unsigned long total)
{
	unsigned long refaults = global_node_page_state(WORKINGSET_REFAULT_FILE);

	return refaults - refaults_seen > total;
}

/* There is little that could be given up. */
static bool is_full(unsigned long total)
{
	unsigned long file = global_node_page_state(NR_ACTIVE_FILE) +
			     global_node_page_state(NR_INACTIVE_FILE);

	return file < total / 48;
}

static bool is_wanted(void)
{
	unsigned long total = totalram_pages() - lkl_user_pages();

	return lkl_wrote || is_full(total) || is_thrashing(total);
}

/* May an allocation that fails with these flags be tried again with more memory? */
bool lkl_can_grow(gfp_t gfp)
{
	return has_unused() && (gfp & __GFP_DIRECT_RECLAIM) &&
	       !(gfp & __GFP_NORETRY) && !lkl_is_programs(gfp);
}

void lkl_grow(void)
{
	lkl_add_pages(next_pfn, ZONE_NORMAL);
	totalram_pages_add(CHUNK_PAGES);
	next_pfn += CHUNK_PAGES;
	lkl_set_watermarks();
	refaults_seen = global_node_page_state(WORKINGSET_REFAULT_FILE);
}

void __init lkl_grow_by(unsigned long bytes)
{
	unsigned long end = next_pfn + (bytes >> PAGE_SHIFT);

	while (next_pfn < end && has_unused())
		lkl_grow();
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return has_unused() && is_wanted() ? CHUNK_PAGES : 0;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	if (!has_unused())
		return SHRINK_STOP;
	lkl_grow();
	return CHUNK_PAGES;
}

/* Reclaiming has come to nothing, whatever there may be to reclaim. */
static int grow_instead(struct notifier_block *nb, unsigned long action, void *freed)
{
	/* more RAM is no help to programs that have used up theirs */
	if (has_unused() && !lkl_user_is_short()) {
		lkl_grow();
		*(unsigned long *)freed += CHUNK_PAGES;
	}
	if (lkl_user_grow_instead())
		*(unsigned long *)freed += CHUNK_PAGES;
	return NOTIFY_OK;
}

static struct notifier_block out_of_memory_nb = {
	.notifier_call	= grow_instead,
};

static int __init grow_init(void)
{
	struct shrinker *s;

	if (!has_unused())
		return register_oom_notifier(&out_of_memory_nb);
	s = shrinker_alloc(0, "lkl-unused-ram");
	if (!s)
		return -ENOMEM;
	s->count_objects = count;
	s->scan_objects = scan;
	s->seeks = 0;			/* nothing is lost: take it first */
	s->batch = CHUNK_PAGES / 2;	/* one chunk each time */
	shrinker_register(s);
	return register_oom_notifier(&out_of_memory_nb);
}
core_initcall(grow_init);
