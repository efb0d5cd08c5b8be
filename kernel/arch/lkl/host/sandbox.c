// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox. It is closed before the first byte of an image is read, and
 * before there is even a descriptor of an image: those come later, through
 * LKL_FD_CONTROL. The filter is the wall; namespaces and Landlock stand
 * behind it and are skipped, and reported missing, where the host has none.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kernel.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/sched.h>
#include <asm/host.h>
#include <asm/page.h>

#define HOST_LANDLOCK_VERSION	1	/* flag of landlock_create_ruleset(2) */

/* Offsets in struct seccomp_data; arguments have two halves. */
#define DATA_NR		offsetof(struct seccomp_data, nr)
#define DATA_ARCH	offsetof(struct seccomp_data, arch)
#define ARG_LOW(i)	(offsetof(struct seccomp_data, args) + 8 * (i))
#define ARG_HIGH(i)	(ARG_LOW(i) + 4)

#define LOAD(off)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define JEQ(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#define JGE(k, t, f)	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, t, f)
#define ALLOW		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* Call nr, whatever its arguments are. */
#define RULE_ANY(nr)	JEQ(nr, 0, 1), ALLOW
/* Call nr on a disk's descriptor: all but the first four are. */
#define RULE_DISK(nr)							\
	JEQ(nr, 0, 4), LOAD(ARG_LOW(0)), JGE(LKL_FD_CONTROL + 1, 0, 1), ALLOW, KILL
/* Call nr on one descriptor. */
#define RULE_FD(nr, fd)							\
	JEQ(nr, 0, 4), LOAD(ARG_LOW(0)), JEQ(fd, 0, 1), ALLOW, KILL
/* Call nr on one of two descriptors. */
#define RULE_FD2(nr, fd, fd2)						\
	JEQ(nr, 0, 5), LOAD(ARG_LOW(0)), JEQ(fd, 1, 0), JEQ(fd2, 0, 1), ALLOW, KILL
/* futex(2): waiting and waking, on a word of the window or of programs' memory. */
#define RULE_FUTEX							\
	JEQ(LKL_HOST_futex, 0, 5),					\
	LOAD(ARG_LOW(1)), JEQ(1, 1, 0), JEQ(9, 0, 1), ALLOW, KILL
/* mmap(2) of one range, which is the memory of programs: see set_range(). */
#define RULE_MMAP							\
	JEQ(LKL_HOST_mmap, 0, 14),					\
	LOAD(ARG_LOW(0)), JEQ(0, 0, 11), LOAD(ARG_HIGH(0)), JEQ(0, 0, 9), \
	LOAD(ARG_LOW(1)), JEQ(0, 0, 7), LOAD(ARG_HIGH(1)), JEQ(0, 0, 5), \
	LOAD(ARG_LOW(2)), JEQ(0x3, 0, 3),	/* PROT_READ | PROT_WRITE */ \
	LOAD(ARG_LOW(3)), JEQ(0x100001, 0, 1),	/* MAP_SHARED | MAP_FIXED_NOREPLACE */ \
	ALLOW, KILL
#define MMAP_AT		(4 + 6)		/* where RULE_MMAP begins in the filter */

static struct sock_filter filter[] = {
	LOAD(DATA_ARCH),
	JEQ(LKL_MACHINE_AUDIT_ARCH, 1, 0),
	KILL,
	LOAD(DATA_NR),
	RULE_FUTEX,
	RULE_MMAP,
	RULE_DISK(LKL_HOST_pread64),
	RULE_DISK(LKL_HOST_preadv2),
	RULE_DISK(LKL_HOST_pwrite64),
	RULE_DISK(LKL_HOST_pwritev2),
	RULE_DISK(LKL_HOST_fallocate),
	RULE_FD2(LKL_HOST_write, LKL_FD_EVENT, LKL_FD_LOG),
	RULE_FD(LKL_HOST_recvmsg, LKL_FD_CONTROL),
	RULE_DISK(LKL_HOST_close),
	RULE_ANY(LKL_HOST_clock_gettime),	/* where the vDSO falls back to it */
	RULE_ANY(LKL_HOST_restart_syscall),	/* the host's own, after SIGSTOP and SIGCONT */
	RULE_ANY(LKL_HOST_exit_group),
	KILL,
};

/* Where the memory of programs may be mapped, and how much, once. */
static void set_range(unsigned long start, unsigned long len)
{
	filter[MMAP_AT + 2].k = lower_32_bits(start);
	filter[MMAP_AT + 4].k = upper_32_bits(start);
	filter[MMAP_AT + 6].k = lower_32_bits(len);
	filter[MMAP_AT + 8].k = upper_32_bits(len);
}

static u32 got;

/* Note what a step gave, or why it did not. */
static bool note(u32 what, long ret)
{
	if (ret < 0)
		lkl_header->sandbox_errno = -ret;
	else
		got |= what;
	return ret >= 0;
}

static void restrict_paths(void)
{
	/* struct landlock_ruleset_attr: file access, network, scopes */
	u64 attr[3] = { 0, 0x3, 0x3 };
	static const u8 sizes[] = { 0, 8, 8, 8, 16, 16, 24 };
	long abi, fd;

	abi = lkl_host_call(landlock_create_ruleset, NULL, 0, HOST_LANDLOCK_VERSION, 0, 0, 0);
	if (!note(0, abi))
		return;
	abi = min(abi, ARRAY_SIZE(sizes) - 1L);
	/* each version brought rights of its own: 13, then refer, truncate, ioctl */
	attr[0] = GENMASK(abi >= 5 ? 15 : abi >= 3 ? 14 : abi == 2 ? 13 : 12, 0);
	fd = lkl_host_call(landlock_create_ruleset, attr, sizes[abi], 0, 0, 0, 0);
	if (!note(0, fd))
		return;
	note(LKL_SANDBOX_LANDLOCK,
	     lkl_host_call(landlock_restrict_self, fd, 0, 0, 0, 0, 0));
	lkl_host_call(close, fd, 0, 0, 0, 0, 0);
}

static void leave_namespaces(void)
{
	static const struct {
		u32 what;
		unsigned long flags;
	} spaces[] = {
		{ LKL_SANDBOX_NEWUSER, CLONE_NEWUSER },
		{ LKL_SANDBOX_NEWIPC, CLONE_NEWIPC },
		{ LKL_SANDBOX_NEWUTS, CLONE_NEWUTS },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(spaces); i++)
		if (!note(spaces[i].what,
			  lkl_host_call(unshare, spaces[i].flags, 0, 0, 0, 0, 0)))
			return;
}

void lkl_host_seal(void)
{
	struct {
		unsigned short len;
		const struct sock_filter *filter;
	} prog = { ARRAY_SIZE(filter), filter };

	set_range(lkl_user_start, lkl_user_end - lkl_user_start + LKL_CONTROL_SIZE);
	note(LKL_SANDBOX_CLOSED,
	     lkl_host_call(close_range, LKL_FD_CONTROL + 1, ~0U, 0, 0, 0, 0));
	note(LKL_SANDBOX_NO_NEW_PRIVS,
	     lkl_host_call(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0));
	leave_namespaces();
	restrict_paths();
	/* after the namespaces: new credentials undo both */
	note(LKL_SANDBOX_PDEATHSIG,
	     lkl_host_call(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0));
	if (lkl_header->parent &&
	    lkl_host_call(getppid, 0, 0, 0, 0, 0, 0) != lkl_header->parent)
		lkl_host_exit(LKL_EXIT_SETUP);	/* it died before the call above */
	note(LKL_SANDBOX_NO_DUMP, lkl_host_call(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0));
	if (!note(LKL_SANDBOX_SECCOMP,
		  lkl_host_call(seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog, 0, 0, 0)))
		lkl_host_die(LKL_EXIT_SANDBOX, "the host takes no seccomp filter");
	lkl_header->sandbox = got;
}
