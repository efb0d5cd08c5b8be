// SPDX-License-Identifier: GPL-2.0-only
/* Page faults: of programs, and of the kernel on their behalf. */
#include <linux/kernel.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <asm/program.h>
#include "internal.h"

#define MAX_AHEAD	64U
/* Attempts to move a page, a tick apart: a fraction of a second. */
#define MAX_MOVES	64

/* x86's error code of a page fault */
#define FAULT_PRESENT	0x1
#define FAULT_WRITE	0x2
#define FAULT_EXEC	0x10
#define TRAP_PAGE_FAULT	14

static struct folio *new_folio(struct folio *old, unsigned long unused)
{
	return folio_alloc(LKL_GFP_PROGRAM, folio_order(old));
}

/*
 * A page that is not in the memory of programs, since it was cached before there
 * was any: move it there, as memory that is to be unplugged is emptied.
 */
static bool move_folio(struct mm_struct *mm, unsigned long addr)
{
	LIST_HEAD(list);
	struct folio *folio = NULL;
	bool isolated;
	pte_t *pte;

	mmap_read_lock(mm);
	pte = lkl_pte(mm, addr);
	if (pte && pte_present(*pte) && !lkl_is_user_pfn(pte_pfn(*pte)))
		folio = page_folio(pte_page(*pte));
	if (!folio || !folio_try_get(folio)) {
		mmap_read_unlock(mm);
		return !folio;		/* it is gone, or is there: look again */
	}
	mmap_read_unlock(mm);
	lru_add_drain();
	isolated = folio_isolate_lru(folio);
	if (isolated) {
		list_add(&folio->lru, &list);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    folio_nr_pages(folio));
	}
	folio_put(folio);
	if (!isolated)
		return false;
	if (migrate_pages(&list, new_folio, NULL, 0, MIGRATE_SYNC, MR_MEMORY_HOTPLUG, NULL)) {
		putback_movable_pages(&list);
		return false;
	}
	return true;
}

static bool can_map(struct mm_struct *mm, unsigned long addr)
{
	pte_t *pte = lkl_pte(mm, addr);

	return !pte || !pte_present(*pte) || lkl_is_user_pfn(pte_pfn(*pte));
}

static int handle(unsigned long addr, bool write, bool exec, struct pt_regs *regs, int *code)
{
	vm_flags_t want = write ? VM_WRITE : exec ? VM_EXEC : VM_READ | VM_WRITE | VM_EXEC;
	struct mm_struct *mm = current->mm;
	unsigned int flags = FAULT_FLAG_DEFAULT;
	struct vm_area_struct *vma;
	vm_fault_t fault;

	if (regs)
		flags |= FAULT_FLAG_USER;
	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (exec)
		flags |= FAULT_FLAG_INSTRUCTION;
	for (;;) {
		*code = SEGV_MAPERR;
		vma = lock_mm_and_find_vma(mm, addr, NULL);
		if (!vma)
			return -EFAULT;
		if (!(vma->vm_flags & want)) {
			*code = SEGV_ACCERR;
			mmap_read_unlock(mm);
			return -EFAULT;
		}
		fault = handle_mm_fault(vma, addr, flags, regs);
		if (fault_signal_pending(fault, regs ?: &lkl_no_regs) ||
		    ((fault & VM_FAULT_RETRY) && fatal_signal_pending(current)))
			return -EINTR;
		if (fault & VM_FAULT_COMPLETED)
			return 0;
		if (!(fault & VM_FAULT_RETRY))
			break;
		flags |= FAULT_FLAG_TRIED;
	}
	mmap_read_unlock(mm);
	if (likely(!(fault & VM_FAULT_ERROR)))
		return 0;
	if (fault & VM_FAULT_OOM) {
		if (!regs)
			return -ENOMEM;
		pagefault_out_of_memory();
		return 0;
	}
	return fault & VM_FAULT_SIGSEGV ? -EFAULT : -EACCES;
}

/*
 * Returns 0, -EFAULT for a SIGSEGV with @code, -EACCES for a SIGBUS, -ENOMEM, or
 * -EINTR. @regs: of a program; NULL for the kernel, which reaches any page.
 */
int lkl_fault(unsigned long addr, bool write, bool exec, struct pt_regs *regs, int *code)
{
	int tries, err;

	*code = SEGV_MAPERR;
	if (faulthandler_disabled() || !current->mm || addr >= TASK_SIZE)
		return -EFAULT;
	for (tries = 0; tries < MAX_MOVES; tries++) {
		err = handle(addr, write, exec, regs, code);
		if (err || !regs || can_map(current->mm, addr))
			return err;
		if (move_folio(current->mm, addr))
			continue;
		/* Another thread that faults there is about to move it, or looks at it. */
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_uninterruptible(1);
	}
	pr_warn_ratelimited("lkl: %s: a page at %lx cannot be moved\n", current->comm, addr);
	return -EACCES;
}

/* Pages that are given together where one beside them is in use. */
#define GIVEN_SIZE	(8 * PAGE_SIZE)

static bool is_present(struct mm_struct *mm, unsigned long addr)
{
	pte_t *pte = addr < TASK_SIZE ? lkl_pte(mm, addr) : NULL;

	return pte && pte_present(*pte);
}

/*
 * A fault costs as much as to clear several pages, so more of new memory is given at
 * once: to who touches it page by page, more and more; elsewhere the block that a page
 * lies in, if one beside it is in use. What lies alone stays alone.
 */
static void give_ahead(struct mm_struct *mm, unsigned long addr, struct pt_regs *regs)
{
	mm_context_t *c = &mm->context;
	struct vm_area_struct *vma;
	unsigned long end;
	int code;

	addr &= PAGE_MASK;
	c->ahead = addr == c->next_fault ? min(c->ahead * 2, MAX_AHEAD) : 1;
	end = addr + c->ahead * PAGE_SIZE;
	c->next_fault = addr + PAGE_SIZE;
	if (c->ahead == 1) {
		if (!is_present(mm, addr - PAGE_SIZE) && !is_present(mm, addr + PAGE_SIZE))
			return;
		addr = ALIGN_DOWN(addr, GIVEN_SIZE);
		end = addr + GIVEN_SIZE;
	}
	mmap_read_lock(mm);
	vma = find_vma(mm, c->next_fault - PAGE_SIZE);
	if (vma && vma_is_anonymous(vma)) {
		addr = max(addr, vma->vm_start);
		end = min(end, vma->vm_end);
	} else {
		end = 0;
	}
	mmap_read_unlock(mm);
	for (; addr < end; addr += PAGE_SIZE) {
		pte_t *pte = lkl_pte(mm, addr);

		if (pte && !pte_none(*pte))
			continue;
		if (lkl_fault(addr, true, false, regs, &code))
			break;
		c->next_fault = addr + PAGE_SIZE;
	}
}

/* As the tables have it, of which the stub need not have known. */
static unsigned long true_error(struct mm_struct *mm, unsigned long addr, unsigned long error)
{
	pte_t *pte;

	if (addr >= TASK_SIZE)
		return error;
	pte = lkl_pte(mm, addr);
	return pte && (pte_val(*pte) & _PAGE_PRESENT) ? error | FAULT_PRESENT : error & ~FAULT_PRESENT;
}

void lkl_page_fault(struct pt_regs *regs, unsigned long addr, unsigned long error)
{
	struct mm_struct *mm = current->mm;
	bool write = error & FAULT_WRITE, exec = error & FAULT_EXEC;
	pte_t *pte = addr < TASK_SIZE ? lkl_pte(mm, addr) : NULL;
	int code = SEGV_MAPERR, err;

	if (!lkl_pte_allows(pte, write, exec) || !lkl_is_user_pfn(pte_pfn(*pte))) {
		err = lkl_fault(addr, write, exec, regs, &code);
		if (err == -EINTR)
			return;
		if (err) {
			current->thread.cr2 = addr;
			current->thread.err = true_error(mm, addr, error);
			current->thread.trapno = TRAP_PAGE_FAULT;
			if (err == -EACCES)
				force_sig_fault(SIGBUS, BUS_ADRERR, (void __user *)addr);
			else
				force_sig_fault(SIGSEGV, code, (void __user *)addr);
			return;
		}
	}
	if (write)
		give_ahead(mm, addr, regs);
	if (mm->context.nr_ranges)
		lkl_tlb_queue(mm);
	else
		lkl_tlb_fill(mm, addr);
}
