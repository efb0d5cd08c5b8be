/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that run on this kernel: arch/lkl/program/. */
#ifndef _ASM_LKL_PROGRAM_H
#define _ASM_LKL_PROGRAM_H
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <asm/lkl.h>
#include <asm/stub.h>
#include <asm/ucontext.h>

/* memory.c: that which stubs can map */
#define LKL_GFP_PROGRAM		(GFP_HIGHUSER_MOVABLE)
void __init lkl_place_user(unsigned long start);
void lkl_limit_user(unsigned long size);	/* in a kernel from a snapshot */
bool lkl_user_memory(void);		/* whether there is any, yet */
unsigned long lkl_user_pages(void);
bool lkl_user_can_grow(void);
void lkl_set_watermarks(void);
void lkl_user_grow(void);
bool lkl_user_grow_instead(void);
bool lkl_user_is_short(void);
long lkl_programs(void);		/* LKL_OP_PROGRAMS */

/* Is this an allocation from there? */
static inline bool lkl_is_programs(gfp_t gfp)
{
	return gfp_zone(gfp) == ZONE_MOVABLE && lkl_user_memory();
}

static inline bool lkl_is_user_pfn(unsigned long pfn)
{
	return pfn - (lkl_user_start >> PAGE_SHIFT) <
	       (lkl_user_end - lkl_user_start) >> PAGE_SHIFT;
}

/* stub.c */
struct lkl_stub {
	struct lkl_stub_data *d;
	struct mm_struct *mm;		/* NULL while it is free */
	struct task_struct *owner;	/* whose registers are in its frame */
	struct list_head list;		/* of all, the last one used comes first */
	unsigned int slot;		/* in struct lkl_stubs */
	unsigned int nr_ops;		/* of d->ops, by this side's count */
	bool dirty;			/* has mappings of an earlier program */
	bool lost;			/* has been told to end */
	bool busy;			/* does not answer, while others have their turn */
};

/* The stub of an mm, or NULL if none can be had. */
struct lkl_stub *lkl_stub_of(struct mm_struct *mm);
/* An mm's stub has died, or shall. */
void lkl_stub_lose(struct mm_struct *mm);
/* Let it run, and wait for the kernel's turn. Returns 0, or -ESRCH when it has died. */
int lkl_stub_go(struct lkl_stub *s, bool resume);
/* The kernel has nothing to run: no stub is to look for its turn, others want the processor. */
void lkl_stub_rest(void);
/* Put a task's registers into its frame, but for those of struct pt_regs. */
void lkl_stub_own(struct lkl_stub *s, struct task_struct *tsk);
struct sigcontext *lkl_stub_context(struct lkl_stub *s);
/* The state of a task's FPU in the host's format, and the room it takes. */
void *lkl_fpstate(struct task_struct *tsk, size_t *size);
const void *lkl_first_fpstate(size_t *size);	/* as a program begins */
int lkl_copy_frame(struct task_struct *from, struct task_struct *to);
void lkl_stub_init(struct lkl_stubs *shared);

/* tlb.c */
pte_t *lkl_pte(struct mm_struct *mm, unsigned long addr);
bool lkl_pte_allows(const pte_t *pte, bool write, bool exec);
void lkl_tlb_queue(struct mm_struct *mm);
void lkl_tlb_fill(struct mm_struct *mm, unsigned long addr);
int lkl_tlb_forget(struct lkl_stub *s);

/* fault.c */
int lkl_fault(unsigned long addr, bool write, bool exec, struct pt_regs *regs, int *code);
void lkl_page_fault(struct pt_regs *regs, unsigned long addr, unsigned long err);

/* user.c: from the kernel to a program and back; what a task returns to */
void lkl_userspace(void) __noreturn;

/* kernel/irq.c: interrupts, while a program runs */
void lkl_user_interrupts(void);

/* exec.c: LKL_OP_EXEC, _WAIT and _KILL */
long lkl_exec(u64 exec);
long lkl_program_wait(int fd, u64 result);
long lkl_program_kill(int fd, int sig, u32 flags);

/* vdso.c: an image that programs call for the time, and its data */
void lkl_vdso_init(void);
void lkl_vdso_refresh(void);		/* a program is about to run */

/* x86_64/fpu.c: the host's format, and so the programs' */
#define LKL_FP_SW_BYTES		464	/* fxsave's area: its end says what follows, */
#define LKL_FP_LEGACY_SIZE	512	/* to whom it may concern (sigcontext.h) */
size_t lkl_fp_size(const void *fp, size_t room);
size_t lkl_xstate_size(void);		/* without what the host adds at the end */
u64 lkl_fp_features(void);
bool lkl_fp_is_whole(const void *fp);
void lkl_fp_has_legacy(void *fp);
/* What a program may not choose in it. Returns whether the host takes the rest. */
bool lkl_fp_mend(void *fp);

/* x86_64/ */
struct kernel_clone_args;
void lkl_fork_regs(struct task_struct *p, const struct kernel_clone_args *args);
void lkl_put_regs(struct sigcontext *sc, const struct pt_regs *regs);
void lkl_get_regs(struct pt_regs *regs, const struct sigcontext *sc);
void lkl_do_signal(struct pt_regs *regs);
long lkl_rt_sigreturn(void);
void lkl_program_call(struct pt_regs *regs);
long lkl_arch_prctl(struct task_struct *tsk, int option, unsigned long arg);
bool lkl_vsyscall(struct pt_regs *regs, unsigned long addr);
#endif
