// SPDX-License-Identifier: GPL-2.0-only
/*
 * The spawner, and the stubs that it makes: a static program without a C library.
 *
 *	stub OFFSET	descriptor 0: the memory of programs; OFFSET of
 *			struct lkl_stubs in it, in decimal
 *
 * The spawner makes a stub for each slot that the kernel asks for, by fork(2), and
 * says when one has died. A stub keeps nothing of what it is a copy of but this
 * code, and lets a program run in the rest of its addresses. Whatever that does
 * that is the kernel's business is a signal; the handler waits until the kernel has
 * had its turn, maps what it is told to, and returns.
 *
 * A program is hostile. Its filter, which is in place before its first instruction,
 * lets it do what the handler does, from the handler's code, and nothing else.
 */
#include "../../include/asm/stub.h"
#include "host.h"

void spawner_main(unsigned long *sp);		/* stub.S calls it */

#define CODE_SIZE	0x10000UL	/* of addresses kept for this program */
#define MORE		0x4000000UL	/* addresses for what is not memory of programs */

#define load(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

/* stub: for one mm */

static struct lkl_stub_data *data(void)
{
	return (void *)LKL_STUB_DATA;
}

static int run_ops(struct lkl_stub_data *d)
{
	unsigned int i, n = load(&d->nr_ops);
	long ret = 0;

	for (i = 0; i < n && i < LKL_STUB_OPS && !is_error(ret); i++) {
		const struct lkl_stub_op *o = &d->ops[i];

		if (o->type == LKL_STUB_MMAP)
			ret = host(MMAP, o->addr, o->len, o->prot, STUB_MAP_FLAGS, 0, o->off);
		else
			ret = host(MUNMAP, o->addr, o->len, 0, 0, 0, 0);
	}
	return is_error(ret) ? ret : 0;
}

/* As long as the kernel says, which may change its mind meanwhile. */
static int look_briefly(struct lkl_stub_data *d)
{
	unsigned int i;

	for (i = 0; i < LKL_STUB_MAX_SPIN && i < load(&d->spin); i++) {
		if (load(&d->state) == LKL_STUB_RUN)
			return 1;
		pause();
	}
	return 0;
}

/* Until it is the stub's turn again. */
static void give_turn(struct lkl_stub_data *d)
{
	store(&d->state, LKL_STUB_KERNEL);
	if (load(&d->kernel_asleep))
		host(FUTEX, &d->state, FUTEX_WAKE, 1, 0, 0, 0);
	if (look_briefly(d))
		return;
	store(&d->stub_asleep, 1);
	while (load(&d->state) != LKL_STUB_RUN)
		host(FUTEX, &d->state, FUTEX_WAIT, LKL_STUB_KERNEL, 0, 0, 0);
	store(&d->stub_asleep, 0);
}

/* Every signal. */
static void on_signal(int signo, const struct siginfo *info, const void *uc)
{
	struct lkl_stub_data *d = data();

	d->signo = signo;
	d->code = info->code;
	d->arch = info->arch;
	d->addr = info->addr;
	d->uc = (unsigned long)uc;
	get_bases(d);
	do {
		give_turn(d);
		d->err = run_ops(d);
	} while (!load(&d->resume) || d->err);
	set_bases(d);
}

/*
 * From the code of a stub alone: mappings of the memory of programs, below the
 * stub's own, which so stays what it is; waiting for the kernel; the bases of its
 * segments; and the end.
 * Lengths are below the stub's base as well: nothing that is added overflows.
 */
static const struct filter filter[] = {
	LOAD(DATA_ARCH), JEQ(AUDIT_ARCH, 0, 38),
	LOAD(DATA_IP + 4), JEQ(LKL_STUB_BASE >> 32, 0, 36),
	LOAD(DATA_IP), JGE((LKL_STUB_BASE & 0xffffffff) + CODE_SIZE, 34, 0),
	LOAD(DATA_NR),
	JEQ(NR_RT_SIGRETURN, 31, 0), JEQ(NR_EXIT_GROUP, 30, 0),
	JEQ(NR_MUNMAP, 12, 0),
	JEQ(NR_FUTEX, 6, 0),
	JEQ(NR_ARCH_PRCTL, 7, 0),
	JEQ(NR_MMAP, 0, 27),
	LOAD(DATA_ARG(3)), JEQ(STUB_MAP_FLAGS, 0, 25),
	LOAD(DATA_ARG(4)), JEQ(0, 5, 23),
	/* futex */
	LOAD(DATA_ARG(1)), JGE(FUTEX_WAKE + 1, 21, 20),
	/* arch_prctl: the bases of segments */
	LOAD(DATA_ARG(0)), JGE(ARCH_SET_FS + 1, 19, 0), JGE(ARCH_SET_GS, 17, 18),
	/* mmap and munmap: address and length */
	LOAD(DATA_ARG(0) + 4), JGE(LKL_STUB_BASE >> 32, 16, 0),
	LOAD(DATA_ARG(1) + 4), JGE(LKL_STUB_BASE >> 32, 14, 0),
	/* the sum of their low halves carries if it is less than one of them */
	LOAD(DATA_ARG(1)), COPY_TO_X,
	LOAD(DATA_ARG(0)), ADD_X, JGE_X(3, 0),
	LOAD(DATA_ARG(1) + 4), ADD(1), JUMP(1),
	LOAD(DATA_ARG(1) + 4),
	COPY_TO_X, LOAD(DATA_ARG(0) + 4), ADD_X, JGE(LKL_STUB_BASE >> 32, 1, 0),
	RETURN(ALLOW),
	RETURN(TRAP),
};
static const struct filter_prog filter_prog = { ARRAY_SIZE(filter), filter };

static void catch_signals(void)
{
	static const int signals[] = {
		SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGVTALRM, SIGSYS
	};
	const struct sigaction sa = {
		on_signal, SA_SIGINFO | SA_ONSTACK | SA_RESTORER, stub_restorer, ~0UL
	};
	const struct stack stack = {
		LKL_STUB_DATA + LKL_STUB_SIGSTACK, 0, LKL_STUB_DATA_SIZE - LKL_STUB_SIGSTACK
	};
	const struct itimerval slice = { 0, STUB_SLICE_US, 0, STUB_SLICE_US };
	const unsigned long timer = 1UL << (SIGVTALRM - 1);
	unsigned int i;

	host(SIGALTSTACK, &stack, 0, 0, 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		host(RT_SIGACTION, signals[i], &sa, 0, sizeof(sa.mask), 0, 0);
	/*
	 * The time that a program may compute before another has its turn. It waits
	 * for the first frame that the kernel fills in (learn_frame()): another
	 * program can write to any frame, and this process is not sealed yet.
	 */
	host(RT_SIGPROCMASK, SIG_BLOCK, &timer, 0, sizeof(timer), 0, 0);
	host(SETITIMER, ITIMER_VIRTUAL, &slice, 0, 0, 0, 0);
}

/*
 * On the spawner's own stack: whatever a stub shares, other programs can write to at
 * any moment, and until it is sealed, a return address there would be a way out to
 * the host. What it ends with is the kernel's first turn.
 */
static void __attribute__((noreturn)) stub_main(int spawner)
{
	const unsigned long code_end = LKL_STUB_BASE + CODE_SIZE;
	const unsigned long data_end = LKL_STUB_DATA + LKL_STUB_DATA_SIZE;

	host(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	if (host(GETPPID, 0, 0, 0, 0, 0, 0) != spawner)
		host(EXIT_GROUP, 1, 0, 0, 0, 0, 0);
	host(CLOSE_RANGE, 1, ~0U, 0, 0, 0, 0);
	host(PRCTL, PR_SET_NAME, "unboot-program", 0, 0, 0, 0);
	catch_signals();
	host(MUNMAP, 0, LKL_STUB_BASE, 0, 0, 0, 0);
	host(MUNMAP, code_end, LKL_STUB_DATA - code_end, 0, 0, 0, 0);
	stub_seal(data_end, LKL_STUB_TOP - data_end, &filter_prog);
}

/* spawner */

static struct lkl_stubs *shared;
static int pids[LKL_STUBS];

/* A change of the word keeps the spawner from going to sleep. */
static void on_child(int signo, const struct siginfo *info, const void *uc)
{
	__atomic_fetch_add(&shared->news, 1, __ATOMIC_SEQ_CST);
}

static void reap(void)
{
	int i, pid;

	while ((pid = host(WAIT4, -1, 0, WNOHANG, 0, 0, 0)) > 0)
		for (i = 0; i < LKL_STUBS; i++)
			if (pids[i] == pid) {
				pids[i] = 0;
				store(&shared->slot[i].has, LKL_STUB_GONE);
			}
}

static void make_stub(int i)
{
	unsigned long off = load(&shared->slot[i].data);
	int self = host(GETPID, 0, 0, 0, 0, 0, 0);
	int pid = host(FORK, 0, 0, 0, 0, 0, 0);

	if (pid == 0) {
		if (is_error(host(MMAP, LKL_STUB_DATA, LKL_STUB_DATA_SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, 0, off)))
			host(EXIT_GROUP, 2, 0, 0, 0, 0, 0);
		stub_main(self);
	}
	pids[i] = pid > 0 ? pid : 0;
	store(&shared->slot[i].has, pid > 0 ? LKL_STUB_ALIVE : LKL_STUB_GONE);
}

static void look_at(int i)
{
	unsigned int want = load(&shared->slot[i].want);

	if (want == LKL_STUB_MAKE && !pids[i] && !load(&shared->slot[i].has))
		make_stub(i);
	else if (want == LKL_STUB_END && pids[i])
		host(KILL, pids[i], SIGKILL, 0, 0, 0, 0);
	else if (want == LKL_STUB_END)
		store(&shared->slot[i].has, LKL_STUB_GONE);
}

/*
 * The namespaces and the rules that the kernel's process has: host/sandbox.c. Besides,
 * nobody maps the memory of programs, of this size, more than twice: each page that is
 * mapped costs the host a part of a page table. Where a program does so rightly, what
 * its stub knows is forgotten, and begins anew.
 */
static void give_up_rights(unsigned long size)
{
	struct { unsigned long fs, net, scoped; } rights = { 0, 0x3, 0x3 };
	static const unsigned char sizes[] = { 0, 8, 8, 8, 16, 16, 24 };
	static const unsigned char bits[] = { 0, 13, 14, 15, 15, 16, 16 };
	const struct { unsigned long now, most; } none = { 0, 0 };
	const struct { unsigned long now, most; } twice = { 2 * size + MORE, 2 * size + MORE };
	long abi, fd;

	host(PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	if (!host(UNSHARE, CLONE_NEWUSER, 0, 0, 0, 0, 0)) {
		host(UNSHARE, CLONE_NEWIPC, 0, 0, 0, 0, 0);
		host(UNSHARE, CLONE_NEWUTS, 0, 0, 0, 0, 0);
	}
	host(PRLIMIT64, 0, RLIMIT_CORE, &none, 0, 0, 0);
	host(PRLIMIT64, 0, RLIMIT_FSIZE, &none, 0, 0, 0);
	host(PRLIMIT64, 0, RLIMIT_AS, &twice, 0, 0, 0);
	abi = host(LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_VERSION, 0, 0, 0);
	if (abi <= 0)
		return;
	if (abi >= ARRAY_SIZE(sizes))
		abi = ARRAY_SIZE(sizes) - 1;
	rights.fs = (1UL << bits[abi]) - 1;
	fd = host(LANDLOCK_CREATE_RULESET, &rights, sizes[abi], 0, 0, 0, 0);
	if (is_error(fd))
		return;
	host(LANDLOCK_RESTRICT_SELF, fd, 0, 0, 0, 0, 0);
	host(CLOSE, fd, 0, 0, 0, 0, 0);
}

static unsigned long number(const char *s)
{
	unsigned long n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + *s++ - '0';
	return n;
}

/* The stack as the host makes it: argc, argv. */
void spawner_main(unsigned long *sp)
{
	const struct sigaction sa = { on_child, SA_RESTORER, stub_restorer, 0 };
	unsigned long size;
	unsigned int seen;
	int i;

	if (sp[0] < 2)
		host(EXIT_GROUP, 2, 0, 0, 0, 0, 0);
	size = number((const char *)sp[2]);
	shared = (void *)host(MMAP, 0, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, 0, size);
	if (is_error((long)shared))
		host(EXIT_GROUP, 2, 0, 0, 0, 0, 0);
	host(CLOSE_RANGE, 1, ~0U, 0, 0, 0, 0);
	host(PRCTL, PR_SET_NAME, "unboot-stubs", 0, 0, 0, 0);
	host(RT_SIGACTION, SIGCHLD, &sa, 0, sizeof(sa.mask), 0, 0);
	give_up_rights(size);
	/* last: new credentials undo both */
	host(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	host(PRCTL, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	for (;;) {
		seen = load(&shared->news);
		reap();
		for (i = 0; i < LKL_STUBS; i++)
			look_at(i);
		host(FUTEX, &shared->news, FUTEX_WAIT, seen, 0, 0, 0);
	}
}
