// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a stub has mapped is a cache of the page tables, as a TLB is. Each change
 * of an entry is noted, and the stub is told before it runs again. It may always
 * know less than the tables: then it faults, and is told more.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/pgalloc.h>
#include <asm/program.h>
#include <asm/tlbflush.h>

#define HOST_PROT_READ	1
#define HOST_PROT_WRITE	2
#define HOST_PROT_EXEC	4

/* Pages around a fault that are told of at once, as many as lie in this. */
#define FILL_SIZE	(16 * PAGE_SIZE)
/* A change of what is allowed in more than this: the stub forgets all there. */
#define FORGET_SIZE	(4 * PAGE_SIZE)

pgd_t swapper_pg_dir[PTRS_PER_PGD] __aligned(PAGE_SIZE);

/* The lowest table of the address, if there is one; else *next is where one may be. */
static pte_t *find_table(struct mm_struct *mm, unsigned long addr, unsigned long *next)
{
	p4d_t *p4d = p4d_offset(pgd_offset(mm, addr), addr);
	pud_t *pud;
	pmd_t *pmd;

	if (!p4d_present(*p4d)) {
		*next = (addr & PGDIR_MASK) + PGDIR_SIZE;
		return NULL;
	}
	pud = pud_offset(p4d, addr);
	if (!pud_present(*pud)) {
		*next = (addr & PUD_MASK) + PUD_SIZE;
		return NULL;
	}
	pmd = pmd_offset(pud, addr);
	*next = (addr & PMD_MASK) + PMD_SIZE;
	return pmd_present(*pmd) ? pte_offset_kernel(pmd, addr) : NULL;
}

pte_t *lkl_pte(struct mm_struct *mm, unsigned long addr)
{
	unsigned long next;

	return find_table(mm, addr, &next);
}

/* Whether an entry lets a program do that, and the kernel need not hear of it. */
bool lkl_pte_allows(const pte_t *pte, bool write, bool exec)
{
	return pte && (pte_val(*pte) & _PAGE_PRESENT) && pte_young(*pte) &&
	       (!write || (pte_write(*pte) && pte_dirty(*pte))) &&
	       (!exec || pte_exec(*pte));
}

static unsigned int host_prot(pte_t pte)
{
	/* not in shared memory: moved there when it is touched (fault.c) */
	if (!lkl_pte_allows(&pte, false, false) || !lkl_is_user_pfn(pte_pfn(pte)))
		return 0;
	return HOST_PROT_READ | (pte_exec(pte) ? HOST_PROT_EXEC : 0) |
	       (pte_write(pte) && pte_dirty(pte) ? HOST_PROT_WRITE : 0);
}

static void widen(struct lkl_tlb_range *r, unsigned long start, unsigned long end)
{
	r->start = min(r->start, start);
	r->end = max(r->end, end);
}

static void note(struct mm_struct *mm, unsigned long start, unsigned long end, bool prot)
{
	mm_context_t *c = &mm->context;
	struct lkl_tlb_range *r;

	if (!c->stub)
		return;
	/* it would go on with what it knows, and cannot be told */
	if (c->stub->busy) {
		lkl_stub_lose(mm);
		return;
	}
	if (c->nr_ranges) {
		r = &c->ranges[c->nr_ranges - 1];
		if (r->prot == prot && start <= r->end && end >= r->start) {
			widen(r, start, end);
			return;
		}
	}
	if (c->nr_ranges == LKL_TLB_RANGES) {
		/* the two that lie closest would be better; it is rare */
		for (r = c->ranges + 1; r < c->ranges + LKL_TLB_RANGES; r++)
			widen(c->ranges, r->start, r->end);
		widen(c->ranges, start, end);
		c->ranges[0].prot = true;	/* all of it is forgotten */
		c->nr_ranges = 1;
		return;
	}
	c->ranges[c->nr_ranges++] = (struct lkl_tlb_range) { start, end, prot };
}

void lkl_set_ptes(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		  pte_t pte, unsigned int nr)
{
	unsigned long start = addr;
	bool changed = false, moved = false;

	for (;;) {
		pte_t old = *ptep;

		*ptep = pte;
		if (pte_val(old) != pte_val(pte) && (pte_present(old) || pte_present(pte))) {
			changed = true;
			if (!pte_present(old) || !pte_present(pte) || pte_pfn(old) != pte_pfn(pte))
				moved = true;
		}
		addr += PAGE_SIZE;
		if (--nr == 0)
			break;
		ptep++;
		if (pte_present(pte))
			pte = __pte(pte_val(pte) + PAGE_SIZE);
	}
	if (changed && mm != &init_mm)
		note(mm, start, addr, !moved);
}
EXPORT_SYMBOL(lkl_set_ptes);

static const pgprot_t protection_map[16] = {
	[VM_NONE]				= PAGE_NONE,
	[VM_READ]				= PAGE_READONLY,
	[VM_WRITE]				= PAGE_COPY,
	[VM_WRITE | VM_READ]			= PAGE_COPY,
	[VM_EXEC]				= PAGE_READONLY_EXEC,
	[VM_EXEC | VM_READ]			= PAGE_READONLY_EXEC,
	[VM_EXEC | VM_WRITE]			= PAGE_READONLY_EXEC,
	[VM_EXEC | VM_WRITE | VM_READ]		= PAGE_READONLY_EXEC,
	[VM_SHARED]				= PAGE_NONE,
	[VM_SHARED | VM_READ]			= PAGE_READONLY,
	[VM_SHARED | VM_WRITE]			= PAGE_SHARED,
	[VM_SHARED | VM_WRITE | VM_READ]	= PAGE_SHARED,
	[VM_SHARED | VM_EXEC]			= PAGE_READONLY_EXEC,
	[VM_SHARED | VM_EXEC | VM_READ]		= PAGE_READONLY_EXEC,
	[VM_SHARED | VM_EXEC | VM_WRITE]	= PAGE_SHARED_EXEC,
	[VM_SHARED | VM_EXEC | VM_WRITE | VM_READ] = PAGE_SHARED_EXEC,
};
DECLARE_VM_GET_PAGE_PROT

/* All that it has mapped of a program, and nothing else. */
static void queue_forget(struct lkl_stub *s)
{
	s->d->ops[0] = (struct lkl_stub_op) { .type = LKL_STUB_MUNMAP, .len = TASK_SIZE };
	s->nr_ops = 1;
}

int lkl_tlb_forget(struct lkl_stub *s)
{
	queue_forget(s);
	return lkl_stub_go(s, false);
}

/* Ops that go together: what follows the last one is joined to it. */
struct queue {
	struct lkl_stub *s;
	struct lkl_stub_op op;		/* none if len is 0 */
	bool full;
};

static void flush_op(struct queue *q)
{
	if (!q->op.len)
		return;
	if (q->s->nr_ops == LKL_STUB_OPS)
		q->full = true;
	else
		q->s->d->ops[q->s->nr_ops++] = q->op;
	q->op.len = 0;
}

static void add_op(struct queue *q, unsigned int type, unsigned long addr,
		   unsigned long len, unsigned int prot, unsigned long off)
{
	struct lkl_stub_op *o = &q->op;

	if (o->len && o->type == type && o->addr + o->len == addr &&
	    (type == LKL_STUB_MUNMAP || (o->prot == prot && o->off + o->len == off))) {
		o->len += len;
		return;
	}
	flush_op(q);
	*o = (struct lkl_stub_op) {
		.type = type, .prot = prot, .addr = addr, .len = len, .off = off,
	};
}

/* Queue what the tables say of addresses; or only where they say something. */
static void queue_range(struct queue *q, struct mm_struct *mm, unsigned long addr,
			unsigned long end, bool only_present)
{
	while (addr < end && !q->full) {
		unsigned long next;
		pte_t *pte = find_table(mm, addr, &next);

		next = min(next, end);
		if (!pte) {
			if (!only_present)
				add_op(q, LKL_STUB_MUNMAP, addr, next - addr, 0, 0);
			addr = next;
			continue;
		}
		for (; addr < next; pte++, addr += PAGE_SIZE) {
			unsigned int prot = host_prot(*pte);

			if (prot)
				add_op(q, LKL_STUB_MMAP, addr, PAGE_SIZE, prot,
				       (pte_pfn(*pte) << PAGE_SHIFT) - lkl_user_start);
			else if (!only_present)
				add_op(q, LKL_STUB_MUNMAP, addr, PAGE_SIZE, 0, 0);
		}
	}
	flush_op(q);
}

/*
 * Queue all that has changed, to be done as the stub goes on. Where that is too
 * much, it forgets everything: what it needs it will ask for.
 */
void lkl_tlb_queue(struct mm_struct *mm)
{
	mm_context_t *c = &mm->context;
	struct queue q = { .s = c->stub };
	unsigned int i;

	if (!c->stub)
		return;
	for (i = 0; i < c->nr_ranges && !q.full; i++) {
		struct lkl_tlb_range *r = &c->ranges[i];

		/* a fork, mostly: it will touch few of these pages soon */
		if (r->prot && r->end - r->start > FORGET_SIZE) {
			add_op(&q, LKL_STUB_MUNMAP, r->start, r->end - r->start, 0, 0);
			flush_op(&q);
		} else {
			queue_range(&q, mm, r->start, r->end, false);
		}
	}
	c->nr_ranges = 0;
	if (q.full)
		queue_forget(q.s);
}

/* The stub does not know of an entry: tell it of that, and of those around it. */
void lkl_tlb_fill(struct mm_struct *mm, unsigned long addr)
{
	struct queue q = { .s = mm->context.stub };
	unsigned long start = ALIGN_DOWN(addr, FILL_SIZE);

	if (q.s)
		queue_range(&q, mm, start, min(start + FILL_SIZE, TASK_SIZE), true);
}
