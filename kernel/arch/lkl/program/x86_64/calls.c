// SPDX-License-Identifier: GPL-2.0-only
/* The system calls of programs: numbers and structures are x86-64's. */
#include <linux/audit.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/ptrace.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/seccomp.h>
#include <linux/syscalls.h>
#include <asm/program.h>
#include <asm/syscall.h>

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004

/* arch_prctl(2) */
long lkl_arch_prctl(struct task_struct *tsk, int option, unsigned long arg)
{
	struct thread_struct *t = &tsk->thread;

	switch (option) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (arg >= LKL_STUB_TOP)
			return -EPERM;
		if (option == ARCH_SET_FS)
			t->fs = arg;
		else
			t->gs = arg;
		return 0;
	case ARCH_GET_FS:
		return put_user(t->fs, (unsigned long __user *)arg);
	case ARCH_GET_GS:
		return put_user(t->gs, (unsigned long __user *)arg);
	}
	return -EINVAL;
}

static long arch_prctl(int option, unsigned long arg)
{
	return lkl_arch_prctl(current, option, arg);
}

/* MAP_32BIT: of the first 2 GiB, the second one. */
#define LOW_START	0x40000000UL
#define LOW_END		0x80000000UL

unsigned long arch_get_unmapped_area(struct file *file, unsigned long addr, unsigned long len,
				     unsigned long pgoff, unsigned long flags, vm_flags_t vm_flags)
{
	struct vm_unmapped_area_info info = {
		.length = len, .low_limit = LOW_START, .high_limit = LOW_END,
	};

	if ((flags & MAP_32BIT) && !(flags & MAP_FIXED)) {
		/* a wish is granted where the place is free: SBCL insists on it */
		addr = PAGE_ALIGN(addr);
		if (addr && addr < LOW_END && len <= LOW_END - addr &&
		    generic_get_unmapped_area(file, addr, len, pgoff, flags, vm_flags) == addr)
			return addr;
		return vm_unmapped_area(&info);
	}
	return generic_get_unmapped_area(file, addr, len, pgoff, flags, vm_flags);
}

/* What there is of another processor, or for 32 bits, or for the machine's ports. */
#define sys_arch_prctl		arch_prctl
#define sys_rt_sigreturn	lkl_rt_sigreturn
#define sys_fadvise64		sys_fadvise64_64	/* the same where registers have 64 bits */
#define sys_iopl		sys_ni_syscall
#define sys_ioperm		sys_ni_syscall
#define sys_modify_ldt		sys_ni_syscall
#define sys_map_shadow_stack	sys_ni_syscall
#define sys_uretprobe		sys_ni_syscall
#define sys_sysfs		sys_ni_syscall

long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot,
	      unsigned long flags, unsigned long fd, unsigned long off);

typedef long (*call_fn)(long, long, long, long, long, long);
#define __SYSCALL(nr, call) [nr] = (void *)(call),
#define __SYSCALL_NORETURN(nr, call) __SYSCALL(nr, call)
#define __SYSCALL_WITH_COMPAT(nr, native, compat) __SYSCALL(nr, native)
static const call_fn table[] = {
#include "calls_table.h"
};

/* A number of -1 is none: a tracer or a filter has given the result. */
static void call(struct pt_regs *r)
{
	unsigned int nr = r->orig_ax;

	if (nr < ARRAY_SIZE(table) && table[nr])
		r->ax = table[nr](r->di, r->si, r->dx, r->r10, r->r8, r->r9);
	else if (nr != -1U)
		r->ax = -ENOSYS;
}

/* A tracer, or a filter of the program's own, may change or forbid the call. */
static bool enter(struct pt_regs *regs, unsigned long flags)
{
	if (flags & (_TIF_SYSCALL_TRACE | _TIF_SYSCALL_EMU)) {
		if (ptrace_report_syscall_entry(regs) || (flags & _TIF_SYSCALL_EMU))
			return false;
	}
	return secure_computing() == 0;
}

/* The step over the call has been made. */
static void leave(struct pt_regs *regs)
{
	unsigned long flags = read_thread_flags();
	bool step = (flags & (_TIF_SINGLESTEP | _TIF_SYSCALL_EMU)) == _TIF_SINGLESTEP;

	if (step)
		force_sig_fault(SIGTRAP, TRAP_BRKPT, (void __user *)regs->ip);
	else if (flags & _TIF_SYSCALL_TRACE)
		ptrace_report_syscall_exit(regs, 0);
}

void lkl_program_call(struct pt_regs *regs)
{
	unsigned long flags = read_thread_flags();

	regs->orig_ax = regs->ax;
	regs->ax = -ENOSYS;
	if (!(flags & (_TIF_SYSCALL_TRACE | _TIF_SYSCALL_EMU | _TIF_SECCOMP)) || enter(regs, flags))
		call(regs);
	rseq_syscall(regs);
	leave(regs);
}

#define VSYSCALL_PAGE	0xffffffffff600000UL
#define VSYSCALL_SIZE	1024UL

/*
 * The page by which programs of long ago ask for the time. Where the host still
 * has it, the call comes as any other. Where it has not, what comes is the fault.
 */
bool lkl_vsyscall(struct pt_regs *regs, unsigned long addr)
{
	static const unsigned int numbers[] = {
		96, 201, 309,		/* gettimeofday, time, getcpu */
	};
	unsigned long i = (addr - VSYSCALL_PAGE) / VSYSCALL_SIZE, back;

	if (addr < VSYSCALL_PAGE || i >= ARRAY_SIZE(numbers) || regs->ip != addr ||
	    !IS_ALIGNED(addr, VSYSCALL_SIZE))
		return false;
	if (get_user(back, (unsigned long __user *)regs->sp)) {
		force_sig_fault(SIGSEGV, SEGV_MAPERR, (void __user *)regs->sp);
		return true;
	}
	regs->ip = back;
	regs->sp += sizeof(back);
	regs->ax = numbers[i];
	lkl_program_call(regs);
	return true;
}
