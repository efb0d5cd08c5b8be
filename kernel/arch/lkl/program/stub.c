// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stubs, seen from the kernel. An mm has one while it runs. There are never more
 * than LKL_STUBS: one that is free is used again, and where none is, that which has
 * not run for longest loses its mm, to which it is no more than a cache. So a
 * thousand processes are a few of the host's.
 *
 * What is shared with a stub is its program's to write. Read here are only the
 * numbers that user.c takes for what they are, a program's; where a frame lies and
 * how long it is was seen in the first stub, before there was a program in it, and
 * is the same in all.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/host.h>
#include <asm/mmu_context.h>
#include <asm/program.h>
#include <asm/setup.h>
#include <asm/time.h>

/* How long one sleep is: later than the host's own tick, which costs less. */
#define NAP_NS		(20 * NSEC_PER_MSEC)
/* Naps without an answer, after which others have their turn all the same: 1 s. */
#define PATIENCE	50
/* And how long until a stub is held to be lost, on a machine with much else to do. */
#define LOST_AFTER_NS	(60 * NSEC_PER_SEC)

#define HOST_SIGTRAP	5

/*
 * How long one side looks for the other's answer before it sleeps: longer than a host
 * takes to wake a process, which is more than most answers take.
 */
#define LOOK_NS		(50 * NSEC_PER_USEC)
/*
 * It pays where each side has a processor, and if both look. So the kernel decides for
 * both, by how often its own looks have paid: a miss counts as much as this many hits.
 */
#define MISS		4
#define MAX_SCORE	32
/* Once it has not, it is tried again after so many turns, and later each time in vain. */
#define FIRST_TRY	64U
#define LAST_TRY	4096U

static struct {
	bool on;
	int score;			/* while on */
	unsigned int turns, next_try;	/* while off */
	unsigned int pauses;		/* that take LOOK_NS, or 0: there is one processor */
	struct lkl_stub *stub;		/* the last one that was let look */
} look = { .on = true, .score = MAX_SCORE, .next_try = FIRST_TRY };

static struct lkl_stubs *shared;
static struct lkl_stub *stubs[LKL_STUBS];
static LIST_HEAD(used);			/* have an mm */
static LIST_HEAD(unused);
static LIST_HEAD(lost);			/* end, and may still run */
static unsigned int nr_stubs;

/* Of a frame, as offsets in struct lkl_stub_data. */
static unsigned long frame_off, uc_off, fp_off;
static size_t fp_size;
static void *first_frame;		/* of a program that has done nothing yet */

static size_t frame_size(void)
{
	return LKL_STUB_DATA_SIZE - frame_off;
}

static void tell_spawner(struct lkl_stub *s, unsigned int want)
{
	shared->slot[s->slot].data = (unsigned long)s->d - lkl_user_start;
	lkl_shared_store(&shared->slot[s->slot].want, want);
	lkl_shared_store(&shared->news, shared->news + 1);
	lkl_host_wake(&shared->news);
}

static bool is_gone(const struct lkl_stub *s)
{
	return lkl_shared_load(&shared->slot[s->slot].has) == LKL_STUB_GONE;
}

static bool is_kernels_turn(const struct lkl_stub *s)
{
	return lkl_shared_load(&s->d->state) == LKL_STUB_KERNEL;
}

/* How many pauses take that long: between 35 and 150 cycles each, by processor. */
static void learn_pause(void)
{
	const unsigned int n = 64;
	u64 least = LOOK_NS;
	unsigned int i, tries;

	if (lkl_header->flags & LKL_FLAG_NO_SPIN)
		return;
	for (tries = 0; tries < 4; tries++) {	/* of which one is not interrupted */
		u64 began = lkl_host_now();

		for (i = 0; i < n; i++)
			lkl_host_pause();
		least = min(least, lkl_host_now() - began);
	}
	look.pauses = min_t(u64, div64_u64(LOOK_NS * n, max(least, 1)), LKL_STUB_MAX_SPIN);
}

static void count_look(bool paid)
{
	if (paid) {
		look.score = min(look.score + 1, MAX_SCORE);
		if (look.score == MAX_SCORE)
			look.next_try = FIRST_TRY;
		return;
	}
	look.score -= MISS;
	if (look.score < 0) {
		look.on = false;
		look.turns = 0;
	}
}

static bool look_briefly(const struct lkl_stub *s)
{
	unsigned int i;

	for (i = 0; look.on && i < look.pauses; i++) {
		if (is_kernels_turn(s)) {
			count_look(true);
			return true;
		}
		lkl_host_pause();
	}
	if (look.on) {
		count_look(false);
	} else if (++look.turns >= look.next_try) {
		look.on = true;
		look.score = MAX_SCORE / 2;
		look.next_try = min(look.next_try * 2, LAST_TRY);
	}
	return false;
}

void lkl_stub_rest(void)
{
	if (look.stub)
		lkl_shared_store(&look.stub->d->spin, 0);
	look.stub = NULL;
}

static void nap(struct lkl_stub *s)
{
	struct lkl_stub_data *d = s->d;

	lkl_shared_store(&d->kernel_asleep, 1);
	if (!is_kernels_turn(s))
		lkl_host_wait(&d->state, LKL_STUB_RUN, lkl_host_now() + NAP_NS);
	lkl_shared_store(&d->kernel_asleep, 0);
}

/*
 * It may have blocked the signals by which it should come back, or stopped itself; or
 * the machine gives it no time. Nobody waits for that but who runs in it.
 */
static int wait_beside_others(struct lkl_stub *s, u64 since)
{
	s->busy = true;
	while (!is_kernels_turn(s) && !is_gone(s) && !fatal_signal_pending(current) &&
	       lkl_host_now() - since < LOST_AFTER_NS) {
		schedule_timeout_idle(nsecs_to_jiffies(NAP_NS));
		if (lkl_fixed_clock())		/* no time has passed */
			nap(s);
	}
	s->busy = false;
	if (is_kernels_turn(s) && !s->lost && !is_gone(s))
		return 0;
	pr_warn_ratelimited("lkl: %s: its stub does not answer\n", current->comm);
	return -ESRCH;
}

/* Until it is the kernel's turn. @user: a program runs meanwhile. */
static int wait(struct lkl_stub *s, bool user)
{
	unsigned int naps;
	u64 since;

	if (look_briefly(s))
		return 0;
	since = lkl_host_now();
	for (naps = 0; naps < PATIENCE; naps++) {
		nap(s);
		if (is_kernels_turn(s))
			return 0;
		if (is_gone(s))
			return -ESRCH;
		if (user) {
			lkl_user_interrupts();
			/* nobody wants anything: it may take its time */
			if (!need_resched() && !signal_pending(current)) {
				naps = 0;
				since = lkl_host_now();
			}
		}
	}
	return wait_beside_others(s, since);
}

int lkl_stub_go(struct lkl_stub *s, bool resume)
{
	struct lkl_stub_data *d = s->d;
	int err;

	if (look.stub != s)
		lkl_stub_rest();
	look.stub = s;
	d->spin = look.on ? look.pauses : 0;
	d->resume = resume;
	d->nr_ops = s->nr_ops;
	lkl_shared_store(&d->state, LKL_STUB_RUN);
	if (lkl_shared_load(&d->stub_asleep))
		lkl_host_wake(&d->state);
	err = wait(s, resume);
	s->nr_ops = 0;
	return err;
}

struct sigcontext *lkl_stub_context(struct lkl_stub *s)
{
	return &((struct ucontext *)((void *)s->d + uc_off))->uc_mcontext;
}

static void save_frame(struct lkl_stub *s, void *to)
{
	memcpy(to, (void *)s->d + frame_off, frame_size());
}

/* The first of all: it has come to its first trap, by itself. */
static int learn_frame(struct lkl_stub *s)
{
	unsigned long uc = s->d->uc - LKL_STUB_DATA, fp;

	if (uc < LKL_STUB_SIGSTACK || uc > LKL_STUB_DATA_SIZE - sizeof(struct ucontext))
		return -EPROTO;
	uc_off = uc;
	fp = lkl_stub_context(s)->fpstate - LKL_STUB_DATA;
	if (fp < uc || fp > LKL_STUB_DATA_SIZE)
		return -EPROTO;
	fp_size = lkl_fp_size((void *)s->d + fp, LKL_STUB_DATA_SIZE - fp);
	if (!fp_size)
		return -EPROTO;
	fp_off = fp;
	frame_off = ALIGN_DOWN(uc, 64);
	first_frame = kmalloc(frame_size(), GFP_KERNEL);
	if (!first_frame)
		return -ENOMEM;
	save_frame(s, first_frame);
	/* the timer's signal, which a stub blocks until it is sealed */
	sigemptyset(&((struct ucontext *)(first_frame + (uc_off - frame_off)))->uc_sigmask);
	return 0;
}

/* Its process has ended. */
static void free_stub(struct lkl_stub *s)
{
	if (look.stub == s)
		look.stub = NULL;
	stubs[s->slot] = NULL;
	nr_stubs--;
	list_del(&s->list);
	__free_pages(virt_to_page(s->d), LKL_STUB_DATA_ORDER);
	kfree(s);
}

/* It has died, or shall. Whose registers were in it has lost them. */
static void lose_stub(struct lkl_stub *s)
{
	if (s->mm)
		s->mm->context.stub = NULL;
	s->mm = NULL;
	s->owner = NULL;
	s->lost = true;
	list_move(&s->list, &lost);
	tell_spawner(s, LKL_STUB_END);
}

void lkl_stub_lose(struct mm_struct *mm)
{
	if (mm->context.stub)
		lose_stub(mm->context.stub);
}

/* A slot that the spawner has done with. What is in one may still write its data. */
static int find_slot(void)
{
	struct lkl_stub *s, *next;
	unsigned int i;

	list_for_each_entry_safe(s, next, &lost, list)
		if (is_gone(s) && !s->busy)
			free_stub(s);
	for (i = 0; i < LKL_STUBS; i++)
		if (!stubs[i] && lkl_shared_load(&shared->slot[i].has) != LKL_STUB_ALIVE)
			return i;
	return -EAGAIN;
}

static struct lkl_stub *make_stub(void)
{
	int slot = find_slot();
	struct lkl_stub *s;
	struct page *page;

	if (slot < 0)
		return NULL;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return NULL;
	page = alloc_pages(LKL_GFP_PROGRAM | __GFP_ZERO, LKL_STUB_DATA_ORDER);
	if (!page) {
		kfree(s);
		return NULL;
	}
	s->d = page_address(page);
	s->slot = slot;
	INIT_LIST_HEAD(&s->list);
	stubs[slot] = s;
	nr_stubs++;
	s->d->state = LKL_STUB_RUN;
	s->d->fsgsbase = lkl_host_has_fsgsbase();
	lkl_shared_store(&shared->slot[slot].has, 0);
	tell_spawner(s, LKL_STUB_MAKE);
	if (wait(s, false) || s->d->signo != HOST_SIGTRAP ||
	    (!first_frame && learn_frame(s)) || s->d->uc != LKL_STUB_DATA + uc_off) {
		lose_stub(s);
		return NULL;
	}
	return s;
}

static int save_owner(struct lkl_stub *s)
{
	struct task_struct *tsk = s->owner;

	if (!tsk)
		return 0;
	if (!tsk->thread.frame)
		tsk->thread.frame = kmalloc(frame_size(), GFP_KERNEL);
	if (!tsk->thread.frame)
		return -ENOMEM;
	save_frame(s, tsk->thread.frame);
	s->owner = NULL;
	return 0;
}

/* One that has an mm, and gives it up. */
static struct lkl_stub *steal_stub(void)
{
	struct lkl_stub *s;

	list_for_each_entry_reverse(s, &used, list) {
		if (s->busy)
			continue;
		if (save_owner(s))
			return NULL;
		s->mm->context.stub = NULL;
		s->mm = NULL;
		list_del_init(&s->list);
		return s;
	}
	return NULL;
}

static struct lkl_stub *find_stub(void)
{
	struct lkl_stub *s;

	while ((s = list_first_entry_or_null(&unused, struct lkl_stub, list))) {
		if (!is_gone(s)) {
			list_del_init(&s->list);
			return s;
		}
		lose_stub(s);
	}
	return make_stub() ?: steal_stub();
}

struct lkl_stub *lkl_stub_of(struct mm_struct *mm)
{
	struct lkl_stub *s = mm->context.stub;

	if (s && is_gone(s)) {
		lose_stub(s);
		return NULL;
	}
	if (s) {
		list_move(&s->list, &used);
		return s;
	}
	s = find_stub();
	if (!s)
		return NULL;
	if (mm->context.stub) {		/* another thread was faster */
		list_add(&s->list, &unused);
		return mm->context.stub;
	}
	s->mm = mm;
	list_add(&s->list, &used);
	mm->context.stub = s;
	mm->context.nr_ranges = 0;
	if (s->dirty && lkl_tlb_forget(s)) {
		lose_stub(s);
		return NULL;
	}
	s->dirty = true;
	return s;
}

void lkl_stub_put(struct mm_struct *mm)
{
	struct lkl_stub *s = mm->context.stub;

	if (!s)
		return;
	mm->context.stub = NULL;
	s->mm = NULL;
	s->owner = NULL;		/* a task that ends has no use for its registers */
	s->nr_ops = 0;
	list_move(&s->list, &unused);
}

void lkl_stub_own(struct lkl_stub *s, struct task_struct *tsk)
{
	if (s->owner == tsk)
		return;
	if (save_owner(s)) {		/* no memory: it cannot go on */
		send_sig(SIGKILL, s->owner, 1);
		s->owner = NULL;
	}
	memcpy((void *)s->d + frame_off, tsk->thread.frame ?: first_frame, frame_size());
	s->owner = tsk;
}

/* Where a task's frame is now. */
static void *frame_of(struct task_struct *tsk)
{
	struct lkl_stub *s = tsk->mm ? tsk->mm->context.stub : NULL;

	if (s && s->owner == tsk)
		return (void *)s->d + frame_off;
	return tsk->thread.frame ?: first_frame;
}

/* Only of a task that has run: what no task has must not be written to. */
static void *own_frame(struct task_struct *tsk)
{
	void *frame = frame_of(tsk);

	if (frame != first_frame)
		return frame;
	tsk->thread.frame = kmemdup(first_frame, frame_size(), GFP_KERNEL);
	return tsk->thread.frame;
}

void *lkl_fpstate(struct task_struct *tsk, size_t *size)
{
	void *frame = own_frame(tsk);

	*size = fp_size;
	return frame ? frame + (fp_off - frame_off) : NULL;
}

const void *lkl_first_fpstate(size_t *size)
{
	*size = fp_size;
	return first_frame + (fp_off - frame_off);
}

/* For a new task: what the other one has. */
int lkl_copy_frame(struct task_struct *from, struct task_struct *to)
{
	void *frame = frame_of(from);

	to->thread.frame = NULL;
	if (frame == first_frame)
		return 0;
	to->thread.frame = kmemdup(frame, frame_size(), GFP_KERNEL);
	return to->thread.frame ? 0 : -ENOMEM;
}

static void disown(struct task_struct *tsk)
{
	struct lkl_stub *s;

	list_for_each_entry(s, &used, list)
		if (s->owner == tsk)
			s->owner = NULL;
	kfree(tsk->thread.frame);
	tsk->thread.frame = NULL;
}

void arch_release_task_struct(struct task_struct *tsk)
{
	disown(tsk);
}

/* execve(2): a program begins with nothing. */
void flush_thread(void)
{
	disown(current);
	current->thread.fs = current->thread.gs = 0;
}

void lkl_stub_init(struct lkl_stubs *control)
{
	shared = control;
	learn_pause();
}
