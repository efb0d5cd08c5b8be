/* A frame that no kernel has made: only who forges it has the damage. */
#include "say.h"
#include <ucontext.h>

struct frame {
	void *ret;
	ucontext_t uc;
};

static char fp[16384] __attribute__((aligned(64)));

static void come_back(void)
{
	_exit(7);
}

/* rt_sigreturn(2) on a frame of its own. */
static void go(void (*change)(ucontext_t *uc))
{
	static char stack[65536] __attribute__((aligned(16)));
	static struct frame f;
	greg_t *r = f.uc.uc_mcontext.gregs;

	r[REG_RIP] = (long)come_back;
	r[REG_RSP] = (long)(stack + sizeof(stack) - 8);
	r[REG_EFL] = 0x202;
	r[REG_CSGSFS] = 0x33 | 0x2bL << 48;
	change(&f.uc);
	asm volatile("movq %0, %%rsp; movl $15, %%eax; syscall; ud2" :: "r"(&f.uc) : "memory");
}

static void good(ucontext_t *uc) { }
static void no_rip(ucontext_t *uc) { uc->uc_mcontext.gregs[REG_RIP] = 0; }
static void kernel_rip(ucontext_t *uc) { uc->uc_mcontext.gregs[REG_RIP] = 0xffffffff81000000; }
static void odd_rip(ucontext_t *uc) { uc->uc_mcontext.gregs[REG_RIP] = 0x8000000000000000; }
static void odd_rsp(ucontext_t *uc) { uc->uc_mcontext.gregs[REG_RSP] = 0x8000000000000000; }
static void all_flags(ucontext_t *uc) { uc->uc_mcontext.gregs[REG_EFL] = ~0x40500UL; }
static void bad_fp(ucontext_t *uc) { uc->uc_mcontext.fpregs = (void *)8; }
static void kernel_fp(ucontext_t *uc) { uc->uc_mcontext.fpregs = (void *)0xffffffff81000000; }
static void own_fp(ucontext_t *uc)
{
	*(unsigned *)(fp + 24) = 0x1f80;
	uc->uc_mcontext.fpregs = (void *)fp;
}
static void random_fp(ucontext_t *uc)
{
	memset(fp, 0xa5, sizeof(fp));
	uc->uc_mcontext.fpregs = (void *)fp;
}
static void bad_altstack(ucontext_t *uc) { uc->uc_stack = (stack_t){ (void *)1, 77, 3 }; }

int main(void)
{
	child(go(good));
	child(go(no_rip));
	child(go(kernel_rip));
	child(go(odd_rip));
	child(go(odd_rsp));
	child(go(all_flags));
	child(go(bad_fp));
	child(go(kernel_fp));
	child(go(own_fp));
	child(go(random_fp));
	child(go(bad_altstack));
	child(asm volatile("movq $16, %%rsp; movl $15, %%eax; syscall" ::: "memory"));
	child(asm volatile("movq $-16, %%rsp; movl $15, %%eax; syscall" ::: "memory"));
	say("still here");
	return 0;
}
