/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_PGALLOC_H
#define _ASM_LKL_PGALLOC_H
#include <linux/mm.h>
#include <asm-generic/pgalloc.h>

#define pmd_populate_kernel(mm, pmd, pte) \
	set_pmd(pmd, __pmd(_PAGE_TABLE + __pa(pte)))
#define pmd_populate(mm, pmd, pte) \
	set_pmd(pmd, __pmd(_PAGE_TABLE + (page_to_pfn(pte) << PAGE_SHIFT)))

/* Without entries of the kernel, which does not run by these tables. */
static inline pgd_t *pgd_alloc(struct mm_struct *mm)
{
	return (pgd_t *)__get_free_page(GFP_KERNEL | __GFP_ZERO);
}

#define __pte_free_tlb(tlb, pte, address)				\
do {									\
	pagetable_pte_dtor(page_ptdesc(pte));				\
	tlb_remove_page_ptdesc((tlb), (page_ptdesc(pte)));		\
} while (0)

#define __pmd_free_tlb(tlb, pmd, address)				\
do {									\
	pagetable_pmd_dtor(virt_to_ptdesc(pmd));			\
	tlb_remove_page_ptdesc((tlb), virt_to_ptdesc(pmd));		\
} while (0)

#define __pud_free_tlb(tlb, pud, address)				\
do {									\
	pagetable_pud_dtor(virt_to_ptdesc(pud));			\
	tlb_remove_page_ptdesc((tlb), virt_to_ptdesc(pud));		\
} while (0)
#endif
