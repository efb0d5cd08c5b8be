/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_MMU_H
#define _ASM_LKL_MMU_H

struct lkl_stub;

/* Addresses whose entries have changed, which the stub has yet to hear of. */
struct lkl_tlb_range {
	unsigned long start, end;
	bool prot;			/* only what is allowed there has changed */
};

#define LKL_TLB_RANGES	16

typedef struct {
	struct lkl_stub *stub;		/* NULL while it has none: program/stub.c */
	unsigned long next_fault;	/* where a fault would go on: program/fault.c */
	unsigned int ahead;		/* pages that are given at once then */
	unsigned int nr_ranges;
	struct lkl_tlb_range ranges[LKL_TLB_RANGES];
	unsigned long vdso;		/* its address; 0: none */
} mm_context_t;
#endif
