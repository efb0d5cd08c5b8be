// SPDX-License-Identifier: GPL-2.0-only
/* From the kernel to a program, and back. */
#include <linux/audit.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kernel_stat.h>
#include <linux/mm.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <asm/host.h>
#include <asm/program.h>
#include <asm/syscall.h>
#include <asm/time.h>

/* Signals of the host, by which a stub comes back; those of faults are the program's as well. */
#define HOST_SIGSEGV	11
#define HOST_SIGVTALRM	26
#define HOST_SIGSYS	31
#define FAULTS		(BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV))

#define TRAP_PAGE_FAULT	14	/* sigcontext.trapno */
#define MAX_CODE	15	/* of a siginfo that has an address */

static void before_user_mode(struct pt_regs *regs)
{
	unsigned long flags;

	if (lkl_timer_due())
		lkl_irq_run();
	for (;;) {
		flags = read_thread_flags();
		if (!(flags & _TIF_USER_WORK))
			return;
		if (flags & _TIF_NEED_RESCHED)
			schedule();
		else if (flags & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
			lkl_do_signal(regs);
		else
			resume_user_mode_work(regs);
	}
}

/* A fault that is the program's, as the host has it. */
static void pass_on(const struct lkl_stub_data *d, const struct sigcontext *sc, int signo, int code)
{
	struct thread_struct *t = &current->thread;

	t->trapno = READ_ONCE(sc->trapno);
	t->err = READ_ONCE(sc->err);
	if (code > 0 && code <= MAX_CODE)
		force_sig_fault(signo, code, (void __user *)READ_ONCE(d->addr));
	else
		force_sig(signo);
}

/* What a stub came back for. All of it is the program's word. */
static void handle_trap(const struct lkl_stub_data *d, const struct sigcontext *sc,
			struct pt_regs *regs)
{
	int signo = READ_ONCE(d->signo), code = READ_ONCE(d->code);

	if (signo == HOST_SIGSYS) {
		/* of a host with 32-bit system calls; there are none here */
		if (READ_ONCE(d->arch) == LKL_MACHINE_AUDIT_ARCH)
			lkl_program_call(regs);
		else
			force_sig(SIGSEGV);
	} else if (signo == HOST_SIGVTALRM) {
		lkl_user_interrupts();
	} else if (signo == HOST_SIGSEGV && code != SI_KERNEL &&
		   READ_ONCE(sc->trapno) == TRAP_PAGE_FAULT) {
		if (!lkl_vsyscall(regs, READ_ONCE(sc->cr2)))
			lkl_page_fault(regs, READ_ONCE(sc->cr2), READ_ONCE(sc->err));
	} else if (signo > 0 && signo < 32 && BIT(signo) & FAULTS) {
		pass_on(d, sc, signo, code);
	} else {
		force_sig(SIGKILL);
	}
}

/*
 * A tick accounts for itself. Where a program has computed for several of them, only
 * one interrupt follows: the others are accounted for here.
 */
static void account(struct task_struct *tsk, u64 ns)
{
	if (ns >= 2 * TICK_NSEC)
		account_user_time(tsk, ns - TICK_NSEC);
}

/* Where a task that has become a program goes on, and each of its children begins. */
void lkl_userspace(void)
{
	struct task_struct *tsk = current;
	struct pt_regs *regs = task_pt_regs(tsk);

	for (;;) {
		struct lkl_stub *s;
		struct sigcontext *sc;
		u64 began;
		int err;

		before_user_mode(regs);
		s = lkl_stub_of(tsk->mm);
		if (!s) {
			/* it has died, or the host makes no more processes */
			pr_warn_ratelimited("lkl: %s: no stub\n", tsk->comm);
			force_fatal_sig(SIGKILL);
			continue;
		}
		if (s->busy) {		/* with another thread */
			schedule_timeout_interruptible(1);
			continue;
		}
		lkl_stub_own(s, tsk);
		sc = lkl_stub_context(s);
		lkl_put_regs(sc, regs);
		s->d->fs = tsk->thread.fs;
		s->d->gs = tsk->thread.gs;
		lkl_tlb_queue(tsk->mm);
		lkl_vdso_refresh();
		began = lkl_now();
		err = lkl_stub_go(s, true);
		account(tsk, lkl_now() - began);
		if (!err && READ_ONCE(s->d->err)) {
			/* too many mappings: it has not gone on; begin anew */
			s->d->err = 0;
			err = lkl_tlb_forget(s);
			if (!err)
				continue;
		}
		if (err) {
			lkl_stub_lose(tsk->mm);
			force_fatal_sig(SIGKILL);
			continue;
		}
		if (lkl_timer_due())	/* while it ran: a tick of its time */
			lkl_user_interrupts();
		tsk->thread.fs = READ_ONCE(s->d->fs);
		tsk->thread.gs = READ_ONCE(s->d->gs);
		lkl_get_regs(regs, sc);
		handle_trap(s->d, sc, regs);
	}
}
