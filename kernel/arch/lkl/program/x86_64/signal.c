// SPDX-License-Identifier: GPL-2.0-only
/* Signals to programs: the frame is x86-64's, which the host's libraries know. */
#include <linux/kernel.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <asm/program.h>

#define NR_RESTART_SYSCALL	219
#define SYSCALL_SIZE		2	/* of the instruction */
#define RED_ZONE		128

/* uc_flags: there is state beyond fxsave's, and ss is as it stands there */
#define UC_FLAGS		7UL

/* What a program may set: carry to overflow, trap, resume, alignment check. */
#define FLAGS_USER		0x50dd5UL
#define FLAGS_FIXED		0x202UL
#define FLAGS_CLEARED		0x10500UL	/* direction, trap, resume */

struct rt_sigframe {
	char __user *pretcode;
	struct ucontext uc;
	struct siginfo info;
};

static int put_context(struct sigcontext __user *to, const struct pt_regs *regs,
		       void __user *fp, u64 mask)
{
	struct thread_struct *t = &current->thread;
	struct sigcontext sc = {
		.cs = regs->cs, .ss = regs->ss,
		.err = t->err, .trapno = t->trapno, .cr2 = t->cr2,
		.oldmask = mask, .fpstate = (u64)fp,
	};

	lkl_put_regs(&sc, regs);
	return copy_to_user(to, &sc, sizeof(sc)) ? -EFAULT : 0;
}

static int setup_frame(struct ksignal *ksig, struct pt_regs *regs, sigset_t *set)
{
	struct rt_sigframe __user *frame;
	unsigned long sp = regs->sp - RED_ZONE;
	void __user *fp_to;
	size_t fp_size;
	void *fp = lkl_fpstate(current, &fp_size);
	bool onto, nested = on_sig_stack(regs->sp);
	int err;

	if (!fp || !(ksig->ka.sa.sa_flags & SA_RESTORER))
		return -EFAULT;
	onto = (ksig->ka.sa.sa_flags & SA_ONSTACK) && !sas_ss_flags(sp);
	if (onto)
		sp = current->sas_ss_sp + current->sas_ss_size;
	sp = round_down(sp - fp_size, 64);
	fp_to = (void __user *)sp;
	sp = round_down(sp - sizeof(*frame), 16) - 8;
	frame = (void __user *)sp;
	/* an alternate stack that does not hold it is no place to go on */
	if ((nested || onto) && !__on_sig_stack(sp))
		return -EFAULT;
	if (!access_ok(frame, (unsigned long)fp_to - sp + fp_size))
		return -EFAULT;
	err = __copy_to_user(fp_to, fp, fp_size) ? -EFAULT : 0;
	if (ksig->ka.sa.sa_flags & SA_SIGINFO)
		err |= copy_siginfo_to_user(&frame->info, &ksig->info);
	err |= __put_user(UC_FLAGS, &frame->uc.uc_flags);
	err |= __put_user(NULL, &frame->uc.uc_link);
	err |= __save_altstack(&frame->uc.uc_stack, regs->sp);
	err |= put_context(&frame->uc.uc_mcontext, regs, fp_to, set->sig[0]);
	err |= __copy_to_user(&frame->uc.uc_sigmask, set, sizeof(*set)) ? -EFAULT : 0;
	err |= __put_user((char __user *)ksig->ka.sa.sa_restorer, &frame->pretcode);
	if (err)
		return -EFAULT;
	regs->sp = sp;
	regs->di = ksig->sig;
	regs->si = (unsigned long)&frame->info;
	regs->dx = (unsigned long)&frame->uc;
	regs->ax = 0;
	regs->ip = (unsigned long)ksig->ka.sa.sa_handler;
	regs->flags &= ~FLAGS_CLEARED;
	return 0;
}

/* AT_MINSIGSTKSZ: of a stack, for a handler to begin on. */
unsigned long lkl_signal_size(void)
{
	size_t fp_size;

	lkl_first_fpstate(&fp_size);
	return round_up(RED_ZONE + sizeof(struct rt_sigframe) + fp_size + 64 + 16, 16);
}

static void call_again(struct pt_regs *regs, unsigned long nr)
{
	regs->ax = nr;
	regs->ip -= SYSCALL_SIZE;
}

/* A system call that a signal has ended: does it begin anew after the handler? */
static void restart_after(struct ksignal *ksig, struct pt_regs *regs)
{
	if ((long)regs->orig_ax < 0)
		return;
	switch ((long)regs->ax) {
	case -ERESTART_RESTARTBLOCK:
	case -ERESTARTNOHAND:
		regs->ax = -EINTR;
		break;
	case -ERESTARTSYS:
		if (!(ksig->ka.sa.sa_flags & SA_RESTART)) {
			regs->ax = -EINTR;
			break;
		}
		fallthrough;
	case -ERESTARTNOINTR:
		call_again(regs, regs->orig_ax);
		break;
	}
	regs->orig_ax = -1;
}

/* No handler is called: it begins anew at once. */
static void restart_now(struct pt_regs *regs)
{
	if ((long)regs->orig_ax < 0)
		return;
	switch ((long)regs->ax) {
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
		call_again(regs, regs->orig_ax);
		break;
	case -ERESTART_RESTARTBLOCK:
		call_again(regs, NR_RESTART_SYSCALL);
		break;
	}
	regs->orig_ax = -1;
}

void lkl_do_signal(struct pt_regs *regs)
{
	struct ksignal ksig;
	bool stepping;

	if (!get_signal(&ksig)) {
		restart_now(regs);
		restore_saved_sigmask();
		return;
	}
	restart_after(&ksig, regs);
	rseq_signal_deliver(&ksig, regs);
	stepping = test_thread_flag(TIF_SINGLESTEP);
	if (stepping)
		user_disable_single_step(current);
	signal_setup_done(setup_frame(&ksig, regs, sigmask_to_save()), &ksig, stepping);
}

/* As the handler, or whoever has forged the frame, has left it; without one as it begins. */
static bool restore_fp(const void __user *from)
{
	size_t size;
	const void *first = lkl_first_fpstate(&size);
	void *fp = lkl_fpstate(current, &size);

	if (!fp)
		return false;
	if (!from) {
		memcpy(fp, first, size);
		return true;
	}
	if (!copy_from_user(fp, from, LKL_FP_LEGACY_SIZE)) {
		size_t more = lkl_fp_is_whole(fp) ? size - LKL_FP_LEGACY_SIZE : 0;

		memcpy(fp + LKL_FP_LEGACY_SIZE, first + LKL_FP_LEGACY_SIZE, size - LKL_FP_LEGACY_SIZE);
		if (!more)
			lkl_fp_has_legacy(fp);
		if (!copy_from_user(fp + LKL_FP_LEGACY_SIZE, from + LKL_FP_LEGACY_SIZE, more) &&
		    lkl_fp_mend(fp))
			return true;
	}
	memcpy(fp, first, size);
	return false;
}

long lkl_rt_sigreturn(void)
{
	struct pt_regs *regs = task_pt_regs(current);
	struct rt_sigframe __user *frame = (void __user *)(regs->sp - sizeof(long));
	struct sigcontext sc;
	sigset_t set;

	if (copy_from_user(&set, &frame->uc.uc_sigmask, sizeof(set)) ||
	    copy_from_user(&sc, &frame->uc.uc_mcontext, sizeof(sc)))
		goto bad;
	set_current_blocked(&set);
	current->restart_block.fn = do_no_restart_syscall;
	lkl_get_regs(regs, &sc);
	regs->flags = (sc.flags & FLAGS_USER) | FLAGS_FIXED;
	if (!restore_fp((void __user *)sc.fpstate) ||
	    restore_altstack(&frame->uc.uc_stack))
		goto bad;
	return regs->ax;
bad:
	force_sig(SIGSEGV);
	return 0;
}
