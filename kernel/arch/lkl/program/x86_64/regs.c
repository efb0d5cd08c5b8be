// SPDX-License-Identifier: GPL-2.0-only
/* The registers of a program, here and in the host's signal frame. */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <asm/program.h>

#define USER_CS		0x33
#define USER_SS		0x2b
#define FLAGS_START	0x202	/* interrupts on; bit 1 is always set */

void start_thread(struct pt_regs *regs, unsigned long pc, unsigned long sp)
{
	regs->ip = pc;
	regs->sp = sp;
	regs->cs = USER_CS;
	regs->ss = USER_SS;
	regs->flags = FLAGS_START;
	regs->orig_ax = -1;
}

/* What a child of fork(2) or clone(2) sees other than its parent does. */
void lkl_fork_regs(struct task_struct *p, const struct kernel_clone_args *args)
{
	struct thread_struct *t = &p->thread;

	t->regs.ax = 0;
	t->regs.orig_ax = -1;
	if (args->stack)
		t->regs.sp = args->stack;
	if (args->flags & CLONE_SETTLS)
		t->fs = args->tls;
}

/* Segments stay as the host has made them: a program gets no others. */
void lkl_put_regs(struct sigcontext *sc, const struct pt_regs *r)
{
	sc->r8 = r->r8;
	sc->r9 = r->r9;
	sc->r10 = r->r10;
	sc->r11 = r->r11;
	sc->r12 = r->r12;
	sc->r13 = r->r13;
	sc->r14 = r->r14;
	sc->r15 = r->r15;
	sc->di = r->di;
	sc->si = r->si;
	sc->bp = r->bp;
	sc->bx = r->bx;
	sc->dx = r->dx;
	sc->ax = r->ax;
	sc->cx = r->cx;
	sc->sp = r->sp;
	sc->ip = r->ip;
	sc->flags = r->flags;
}

void lkl_get_regs(struct pt_regs *r, const struct sigcontext *sc)
{
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->di = sc->di;
	r->si = sc->si;
	r->bp = sc->bp;
	r->bx = sc->bx;
	r->dx = sc->dx;
	r->ax = sc->ax;
	r->cx = sc->cx;
	r->sp = sc->sp;
	r->ip = sc->ip;
	r->flags = sc->flags;
	r->orig_ax = -1;
	r->cs = USER_CS;
	r->ss = USER_SS;
}
