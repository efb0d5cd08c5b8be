// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmalloc() gives pages that lie together: the kernel's memory is private to its
 * process, and the host maps none of it twice. ARCH_FORCE_MAX_ORDER bounds what can
 * be had. mm/nommu.c does the same on machines without an MMU.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <asm/wrap.h>

static void *alloc(unsigned long size, gfp_t gfp)
{
	return kmalloc(size, (gfp | __GFP_COMP) & ~(__GFP_HIGHMEM | __GFP_MOVABLE));
}

LKL_WRAP(void *, vmalloc_noprof, unsigned long size)
{
	return alloc(size, GFP_KERNEL);
}

LKL_WRAP(void *, vzalloc_noprof, unsigned long size)
{
	return alloc(size, GFP_KERNEL | __GFP_ZERO);
}

LKL_WRAP(void *, vmalloc_user_noprof, unsigned long size)
{
	return alloc(size, GFP_KERNEL | __GFP_ZERO);
}

LKL_WRAP(void *, vmalloc_node_noprof, unsigned long size, int node)
{
	return alloc(size, GFP_KERNEL);
}

LKL_WRAP(void *, vzalloc_node_noprof, unsigned long size, int node)
{
	return alloc(size, GFP_KERNEL | __GFP_ZERO);
}

LKL_WRAP(void *, vmalloc_32_noprof, unsigned long size)
{
	return alloc(size, GFP_KERNEL);
}

LKL_WRAP(void *, vmalloc_32_user_noprof, unsigned long size)
{
	return alloc(size, GFP_KERNEL | __GFP_ZERO);
}

LKL_WRAP(void *, vmalloc_huge_noprof, unsigned long size, gfp_t gfp)
{
	return alloc(size, gfp);
}

LKL_WRAP(void *, __vmalloc_noprof, unsigned long size, gfp_t gfp)
{
	return alloc(size, gfp);
}

LKL_WRAP(void *, __vmalloc_node_noprof, unsigned long size, unsigned long align,
	 gfp_t gfp, int node, const void *caller)
{
	return alloc(size, gfp);
}

LKL_WRAP(void *, __vmalloc_node_range_noprof, unsigned long size, unsigned long align,
	 unsigned long start, unsigned long end, gfp_t gfp, pgprot_t prot,
	 unsigned long flags, int node, const void *caller)
{
	return alloc(size, gfp);
}

LKL_WRAP(void, vfree, const void *addr)
{
	kfree(addr);
}

LKL_WRAP(void, vfree_atomic, const void *addr)
{
	kfree(addr);
}

LKL_WRAP(struct page *, vmalloc_to_page, const void *addr)
{
	return virt_to_page(addr);
}

LKL_WRAP(unsigned long, vmalloc_to_pfn, const void *addr)
{
	return virt_to_pfn(addr);
}

LKL_WRAP(long, vread_iter, struct iov_iter *iter, const char *addr, size_t count)
{
	return 0;
}
