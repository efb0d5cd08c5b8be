/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_CACHEFLUSH_H
#define _ASM_LKL_CACHEFLUSH_H

/*
 * What vmap() gives here is a copy of its pages (kernel/vmap.c), and these
 * are where the two are brought in line, as on a machine whose caches have
 * aliases: Documentation/core-api/cachetlb.rst.
 */
#define ARCH_IMPLEMENTS_FLUSH_KERNEL_VMAP_RANGE 1
void flush_kernel_vmap_range(void *vaddr, int size);
void invalidate_kernel_vmap_range(void *vaddr, int size);

#include <asm-generic/cacheflush.h>
#endif
