/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LKL_VMAP_H
#define _LKL_VMAP_H

#include <linux/types.h>

struct page;

/*
 * Pages that this task may have mapped: give them what was written by way of
 * the mapping, before something else reads them; or bring the mapping up to
 * date with them, after something else has written them.
 */
void lkl_vmap_flush_pages(struct page **pages, unsigned int count);
void lkl_vmap_refresh_pages(struct page **pages, unsigned int count);

/* Unmap what this task has mapped since the mark was taken, and left. */
u64 lkl_vmap_mark(void);
void lkl_vmap_unmap_since(u64 mark);

#endif
