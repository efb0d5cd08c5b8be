// SPDX-License-Identifier: GPL-2.0-only
/* Tracing: ptrace(2), with the registers as x86-64 has them. */
#include <linux/kernel.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <asm/program.h>

long arch_ptrace(struct task_struct *child, long request,
		 unsigned long addr, unsigned long data)
{
	return ptrace_request(child, request, addr, data);
}

void ptrace_disable(struct task_struct *child)
{
	user_disable_single_step(child);
}

#define FLAG_TRAP	0x100

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
