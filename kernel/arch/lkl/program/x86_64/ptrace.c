// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracing: ptrace(2), with the registers as x86-64 has them. A task that is looked
 * at has stopped in this kernel, so what is looked at is here, but for the FPU's
 * state, which may be in its stub.
 */
#include <linux/elf.h>
#include <linux/kernel.h>
#include <linux/ptrace.h>
#include <linux/regset.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>
#include <asm/program.h>

/* Offsets in x86's struct user, by which registers are asked for one at a time. */
#define USER_DEBUGREG		848UL
#define USER_DEBUGREG_END	(USER_DEBUGREG + 8 * sizeof(long))
#define USER_SIZE		928UL

#define REG(name)		(offsetof(struct user_regs_struct, name) / sizeof(long))
#define NR_REGS			(sizeof(struct user_regs_struct) / sizeof(long))

#define FLAG_TRAP		0x100UL
#define FLAG_INTERRUPT		0x200UL
#define FLAG_FIXED		0x2UL
/* Carry to overflow, trap, nested task, resume, alignment check: what may be set. */
#define FLAGS_SETTABLE		0x54dd5UL

static unsigned long get_reg(struct task_struct *tsk, unsigned int i)
{
	const struct pt_regs *regs = task_pt_regs(tsk);

	switch (i) {
	case REG(fs_base):
		return tsk->thread.fs;
	case REG(gs_base):
		return tsk->thread.gs;
	case REG(flags):
		/* not the flag by which it is made to step */
		return test_tsk_thread_flag(tsk, TIF_SINGLESTEP) ?
		       regs->flags & ~FLAG_TRAP : regs->flags;
	}
	return i < sizeof(*regs) / sizeof(long) ? ((const unsigned long *)regs)[i] : 0;
}

static int set_reg(struct task_struct *tsk, unsigned int i, unsigned long val)
{
	struct pt_regs *regs = task_pt_regs(tsk);

	switch (i) {
	case REG(cs):
	case REG(ss):
		return val == get_reg(tsk, i) ? 0 : -EIO;
	case REG(ds):
	case REG(es):
	case REG(fs):
	case REG(gs):
		return val ? -EIO : 0;
	case REG(fs_base):
	case REG(gs_base):
		if (val >= LKL_STUB_TOP)
			return -EIO;
		if (i == REG(fs_base))
			tsk->thread.fs = val;
		else
			tsk->thread.gs = val;
		return 0;
	case REG(flags):
		val = (val & FLAGS_SETTABLE) | FLAG_INTERRUPT | FLAG_FIXED;
		if (test_tsk_thread_flag(tsk, TIF_SINGLESTEP))
			val |= FLAG_TRAP;
		regs->flags = val;
		return 0;
	}
	((unsigned long *)regs)[i] = val;
	return 0;
}

static int get_general(struct task_struct *tsk, const struct user_regset *regset,
		       struct membuf to)
{
	unsigned int i;

	for (i = 0; to.left; i++)
		membuf_store(&to, get_reg(tsk, i));
	return 0;
}

static int set_general(struct task_struct *tsk, const struct user_regset *regset,
		       unsigned int pos, unsigned int count, const void *kbuf,
		       const void __user *ubuf)
{
	unsigned long regs[NR_REGS];
	unsigned int i, first = pos / sizeof(long), n = count / sizeof(long);
	int err;

	err = user_regset_copyin(&pos, &count, &kbuf, &ubuf, regs, 0, sizeof(regs));
	for (i = first; !err && i < first + n; i++)
		err = set_reg(tsk, i, regs[i]);
	return err;
}

/* fxsave's area, without what the host keeps at its end */
static int get_fp(struct task_struct *tsk, const struct user_regset *regset, struct membuf to)
{
	size_t size;
	const void *fp = lkl_fpstate(tsk, &size);

	if (!fp)
		return -ENOMEM;
	membuf_write(&to, fp, LKL_FP_SW_BYTES);
	return membuf_zero(&to, LKL_FP_LEGACY_SIZE - LKL_FP_SW_BYTES);
}

/* The area of xsave; where the host has written what is in it, that alone. */
static int get_xstate(struct task_struct *tsk, const struct user_regset *regset, struct membuf to)
{
	size_t size;
	const void *fp = lkl_fpstate(tsk, &size);
	u64 features;

	if (!fp)
		return -ENOMEM;
	features = lkl_fp_features();
	membuf_write(&to, fp, LKL_FP_SW_BYTES);
	membuf_write(&to, &features, sizeof(features));
	membuf_zero(&to, LKL_FP_LEGACY_SIZE - LKL_FP_SW_BYTES - sizeof(features));
	return membuf_write(&to, fp + LKL_FP_LEGACY_SIZE, lkl_xstate_size() - LKL_FP_LEGACY_SIZE);
}

static int set_state(struct task_struct *tsk, unsigned int size, unsigned int pos,
		     unsigned int count, const void *kbuf, const void __user *ubuf)
{
	size_t all;
	void *fp = lkl_fpstate(tsk, &all), *new;
	int err;

	if (!fp)
		return -ENOMEM;
	new = kmemdup(fp, all, GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	err = user_regset_copyin(&pos, &count, &kbuf, &ubuf, new, 0, size);
	if (!err && size == LKL_FP_LEGACY_SIZE)
		lkl_fp_has_legacy(new);
	if (!err && !lkl_fp_mend(new))
		err = -EINVAL;
	if (!err)
		memcpy(fp, new, all);
	kfree(new);
	return err;
}

static int set_fp(struct task_struct *tsk, const struct user_regset *regset, unsigned int pos,
		  unsigned int count, const void *kbuf, const void __user *ubuf)
{
	return set_state(tsk, LKL_FP_LEGACY_SIZE, pos, count, kbuf, ubuf);
}

static int set_xstate(struct task_struct *tsk, const struct user_regset *regset, unsigned int pos,
		      unsigned int count, const void *kbuf, const void __user *ubuf)
{
	if (pos != 0 || count != lkl_xstate_size())
		return -EFAULT;
	return set_state(tsk, lkl_xstate_size(), pos, count, kbuf, ubuf);
}

static int has_xstate(struct task_struct *tsk, const struct user_regset *regset)
{
	return lkl_xstate_size() > LKL_FP_LEGACY_SIZE ? regset->n : 0;
}

enum { GENERAL, FP, XSTATE };

static struct user_regset regsets[] = {
	[GENERAL] = {
		.core_note_type = NT_PRSTATUS, .n = NR_REGS,
		.size = sizeof(long), .align = sizeof(long),
		.regset_get = get_general, .set = set_general,
	},
	[FP] = {
		.core_note_type = NT_PRFPREG, .n = LKL_FP_LEGACY_SIZE / sizeof(long),
		.size = sizeof(long), .align = sizeof(long),
		.regset_get = get_fp, .set = set_fp,
	},
	[XSTATE] = {		/* .n is known with the first program */
		.core_note_type = NT_X86_XSTATE,
		.size = sizeof(long), .align = sizeof(long), .active = has_xstate,
		.regset_get = get_xstate, .set = set_xstate,
	},
};

static const struct user_regset_view view = {
	.name = "x86_64", .e_machine = EM_X86_64,
	.regsets = regsets, .n = ARRAY_SIZE(regsets),
};

const struct user_regset_view *task_user_regset_view(struct task_struct *task)
{
	regsets[XSTATE].n = lkl_xstate_size() / sizeof(long);
	return &view;
}

/* There are no breakpoints of the processor: the registers of these are empty. */
static int poke_user(struct task_struct *child, unsigned long addr, unsigned long data)
{
	if (!IS_ALIGNED(addr, sizeof(long)) || addr >= USER_SIZE)
		return -EIO;
	if (addr < sizeof(struct user_regs_struct))
		return set_reg(child, addr / sizeof(long), data);
	if (addr < USER_DEBUGREG || addr >= USER_DEBUGREG_END)
		return -EIO;
	return data ? -ENOSPC : 0;
}

static int peek_user(struct task_struct *child, unsigned long addr, unsigned long __user *to)
{
	unsigned long val = 0;

	if (!IS_ALIGNED(addr, sizeof(long)) || addr >= USER_SIZE)
		return -EIO;
	if (addr < sizeof(struct user_regs_struct))
		val = get_reg(child, addr / sizeof(long));
	return put_user(val, to);
}

long arch_ptrace(struct task_struct *child, long request,
		 unsigned long addr, unsigned long data)
{
	void __user *at = (void __user *)data;

	switch (request) {
	case PTRACE_PEEKUSR:
		return peek_user(child, addr, at);
	case PTRACE_POKEUSR:
		return poke_user(child, addr, data);
	case PTRACE_GETREGS:
		return copy_regset_to_user(child, &view, GENERAL, 0,
					   sizeof(struct user_regs_struct), at);
	case PTRACE_SETREGS:
		return copy_regset_from_user(child, &view, GENERAL, 0,
					     sizeof(struct user_regs_struct), at);
	case PTRACE_GETFPREGS:
		return copy_regset_to_user(child, &view, FP, 0, LKL_FP_LEGACY_SIZE, at);
	case PTRACE_SETFPREGS:
		return copy_regset_from_user(child, &view, FP, 0, LKL_FP_LEGACY_SIZE, at);
	case PTRACE_ARCH_PRCTL:
		return lkl_arch_prctl(child, data, addr);
	}
	return ptrace_request(child, request, addr, data);
}

void user_enable_single_step(struct task_struct *child)
{
	set_tsk_thread_flag(child, TIF_SINGLESTEP);
	task_pt_regs(child)->flags |= FLAG_TRAP;
}

void user_disable_single_step(struct task_struct *child)
{
	if (test_and_clear_tsk_thread_flag(child, TIF_SINGLESTEP))
		task_pt_regs(child)->flags &= ~FLAG_TRAP;
}

void ptrace_disable(struct task_struct *child)
{
	user_disable_single_step(child);
	clear_tsk_thread_flag(child, TIF_SYSCALL_EMU);
}
