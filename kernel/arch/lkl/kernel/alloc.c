// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way to the page allocator: stacks come from elsewhere (stack.c), and
 * where reclaiming has not made enough memory lie together, there is more
 * (grow.c).
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/thread_info.h>
#include <asm/program.h>
#include <asm/setup.h>
#include <asm/wrap.h>

/* alloc_thread_stack_node() and free_thread_stack() call these two. */

LKL_WRAP(struct page *, __alloc_pages_noprof, gfp_t gfp, unsigned int order,
	 int nid, nodemask_t *mask)
{
	struct page *page = NULL;
	gfp_t quiet;

	if (order == THREAD_SIZE_ORDER && gfp == THREADINFO_GFP)
		page = lkl_alloc_stack();
	while (!page) {
		quiet = lkl_can_grow(gfp) ? __GFP_NOWARN : 0;
		page = __real___alloc_pages_noprof(gfp | quiet, order, nid, mask);
		if (!quiet)
			break;
		if (!page)
			lkl_grow();
	}
	return page;
}

/* The page cache and a program's memory: beyond what that zone has, there is more. */
LKL_WRAP(struct folio *, __folio_alloc_noprof, gfp_t gfp, unsigned int order,
	 int nid, nodemask_t *mask)
{
	if (gfp_zone(gfp) == ZONE_MOVABLE && lkl_user_can_grow())
		lkl_user_grow();
	return __real___folio_alloc_noprof(gfp, order, nid, mask);
}

LKL_WRAP(void, __free_pages, struct page *page, unsigned int order)
{
	if (!lkl_free_stack(page))
		__real___free_pages(page, order);
}
