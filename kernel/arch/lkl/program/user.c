// SPDX-License-Identifier: GPL-2.0-only
/* From the kernel to a program, and back. */
#include <linux/audit.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <asm/host.h>
#include <asm/program.h>
#include <asm/time.h>

/* Signals of the host, by which a stub comes back. */
#define HOST_SIGILL	4
#define HOST_SIGTRAP	5
#define HOST_SIGBUS	7
#define HOST_SIGFPE	8
#define HOST_SIGSEGV	11
#define HOST_SIGVTALRM	26
#define HOST_SIGSYS	31

#define TRAP_PAGE_FAULT	14	/* sigcontext.trapno */

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

/* What a stub came back for. All of it is the program's word. */
static void handle_trap(const struct lkl_stub_data *d, const struct sigcontext *sc,
			struct pt_regs *regs)
{
	int signo = READ_ONCE(d->signo), code = READ_ONCE(d->code);
	void __user *at = (void __user *)regs->ip;

	switch (signo) {
	case HOST_SIGSYS:
		/* of a host with 32-bit system calls; there are none here */
		if (READ_ONCE(d->arch) == LKL_MACHINE_AUDIT_ARCH)
			lkl_program_call(regs);
		else
			force_sig_fault(SIGSEGV, SI_KERNEL, NULL);
		break;
	case HOST_SIGSEGV:
		if (READ_ONCE(sc->trapno) != TRAP_PAGE_FAULT)
			force_sig_fault(SIGSEGV, SI_KERNEL, NULL);
		else if (!lkl_vsyscall(regs, READ_ONCE(sc->cr2)))
			lkl_page_fault(regs, READ_ONCE(sc->cr2), READ_ONCE(sc->err));
		break;
	case HOST_SIGVTALRM:
		lkl_user_interrupts();
		break;
	case HOST_SIGTRAP:
		/* int3, int1 and single steps; what else there is, is the host's */
		force_sig_fault(SIGTRAP, code == TRAP_TRACE ? TRAP_TRACE : SI_KERNEL, at);
		break;
	case HOST_SIGFPE:
		force_sig_fault(SIGFPE, code, at);
		break;
	case HOST_SIGILL:
		force_sig_fault(SIGILL, code, at);
		break;
	case HOST_SIGBUS:
		force_sig_fault(SIGBUS, code, (void __user *)READ_ONCE(d->addr));
		break;
	default:
		force_sig(SIGKILL);
	}
}

/* Where a task that has become a program goes on, and each of its children begins. */
void lkl_userspace(void)
{
	struct task_struct *tsk = current;
	struct pt_regs *regs = task_pt_regs(tsk);

	for (;;) {
		struct lkl_stub *s;
		struct sigcontext *sc;
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
		err = lkl_stub_go(s, true);
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
