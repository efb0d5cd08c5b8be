// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tasks that serve the calls of the parent. They are what a process's
 * threads are elsewhere: one table of descriptors, but each its own root
 * directory, so that a call can be confined to a mounted image.
 *
 * They are not kernel threads: the last fput() or mntput() of one of those is
 * left to a workqueue, and an umount() would return before it is done.
 */
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/path.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <asm/ring.h>

/* How long a worker looks for the next call before it sleeps. */
#define WORKER_POLL_NS	5000

struct worker {
	struct task_struct *task;
	struct list_head idle;	/* on idle_workers while it has nothing to do */
	struct lkl_kept_identity identity;	/* that of its last call that had one */
};

static LIST_HEAD(idle_workers);		/* the last one used comes first */
static struct task_struct *manager;	/* PID 1, which makes workers */
static unsigned int workers, max_workers;
u32 lkl_calls_seen;
static struct path kernel_root;

static struct lkl_call *calls = lkl_window(LKL_OFF_CALLS);

bool lkl_is_busy(void)
{
	return !manager || workers > list_count_nodes(&idle_workers);
}

/* Make the directory fd what "/" and "." mean to this task. */
static int enter_root(int fd)
{
	struct fd f = fdget_raw(fd);
	int err = 0;

	if (!fd_file(f))
		return -EBADF;
	if (d_can_lookup(fd_file(f)->f_path.dentry)) {
		set_fs_root(current->fs, &fd_file(f)->f_path);
		set_fs_pwd(current->fs, &fd_file(f)->f_path);
	} else {
		err = -ENOTDIR;
	}
	fdput(f);
	return err;
}

/* At once: a root that is kept would make an umount() fail. */
static void leave_root(void)
{
	set_fs_root(current->fs, &kernel_root);
	set_fs_pwd(current->fs, &kernel_root);
	lkl_user_mode_work();
}

static long run(struct worker *w, struct lkl_call *slot, const struct lkl_request *c)
{
	struct lkl_identity as;

	if (likely(!(READ_ONCE(slot->flags) & LKL_CALL_AS)))
		return lkl_call(c);
	memcpy(&as, &slot->as, sizeof(as));
	return lkl_call_as(&w->identity, &as, c);
}

static void serve(struct worker *w, struct lkl_call *slot)
{
	struct lkl_request c = { .nr = READ_ONCE(slot->nr) };
	int root = READ_ONCE(slot->root);
	long ret = 0;

	memcpy(c.args, slot->args, sizeof(c.args));
	if (root >= 0)
		ret = enter_root(root);
	if (!ret) {
		ret = run(w, slot, &c);
		if (root >= 0)
			leave_root();
	}
	WRITE_ONCE(slot->ret, ret);
	if (lkl_shared_xchg(&slot->state, LKL_CALL_DONE) == LKL_CALL_WAITED)
		lkl_host_wake(&slot->state);
}

/*
 * The next request mostly follows at once. While no other task wants to run,
 * waiting for it here saves two switches of tasks and the idle loop.
 */
static void poll_briefly(void)
{
	if (!(lkl_header->flags & LKL_FLAG_NO_SPIN))
		lkl_ring_poll(lkl_host_now() + WORKER_POLL_NS, single_task_running);
}

static int worker(void *unused)
{
	struct worker w = { .task = current };
	int index;

	set_task_comm(current, "worker");
	kernel_sigaction(SIGPIPE, SIG_IGN);	/* a write to a program that has ended */
	kernel_sigaction(SIGCHLD, SIG_IGN);	/* nobody waits for process 1 of one */
	leave_root();
	lkl_settle();
	for (;;) {
		index = lkl_ring_pop(&lkl_call_ring);
		if (index >= 0) {
			serve(&w, &calls[index]);
			lkl_settle();
			cond_resched();
			continue;
		}
		poll_briefly();
		local_irq_disable();
		set_current_state(TASK_IDLE);
		if (lkl_ring_pending(&lkl_call_ring)) {
			__set_current_state(TASK_RUNNING);
			local_irq_enable();
			continue;
		}
		list_add(&w.idle, &idle_workers);
		local_irq_enable();
		schedule();
	}
	return 0;
}

/* An interrupt: calls are posted that no worker has been woken for. */
void lkl_call_interrupt(void)
{
	u32 tail = lkl_shared_load(&lkl_call_ring.shared->tail);
	u32 n = min(tail - lkl_calls_seen, tail - lkl_call_ring.pos);

	lkl_calls_seen = tail;
	for (; n; n--) {
		struct worker *w = list_first_entry_or_null(&idle_workers,
							    struct worker, idle);

		if (!w)
			break;
		list_del(&w->idle);
		wake_up_process(w->task);
	}
	/* it gets to run only when all the workers are waiting */
	if (n && manager && workers < max_workers)
		wake_up_process(manager);
}

/*
 * How many files may be open, which the parent's program decides: as many as
 * there can be in a quarter of memory or so.
 */
static void allow_files(void)
{
	unsigned long files = clamp(READ_ONCE(lkl_header->memory) / SZ_4K, 4096UL, 65536UL);

	task_lock(current);
	current->signal->rlim[RLIMIT_NOFILE] = (struct rlimit){ files, files };
	task_unlock(current);
}

/* As many workers as the parent says now. */
void lkl_set_workers(void)
{
	max_workers = clamp(READ_ONCE(lkl_header->workers), 1U, 256U);
}

void __noreturn lkl_serve(void)
{
	allow_files();
	get_fs_root(current->fs, &kernel_root);
	current->fs->umask = 0;		/* the parent says each mode in full */
	lkl_set_workers();
	manager = current;
	lkl_header->boot_ns = lkl_host_now() - lkl_began_ns;
	lkl_shared_store(&lkl_header->status, LKL_STATUS_READY);
	lkl_host_wake(&lkl_header->status);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (workers < max_workers && list_empty(&idle_workers) &&
		    (!workers || lkl_ring_pending(&lkl_call_ring))) {
			__set_current_state(TASK_RUNNING);
			if (user_mode_thread(worker, NULL, CLONE_FILES | SIGCHLD) > 0)
				workers++;
			else if (!workers)
				panic("lkl: no memory for a worker");
			cond_resched();
		}
		schedule();
	}
}
