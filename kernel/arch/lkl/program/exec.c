// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that the parent starts. Each is the child of a task of its own that
 * has no user mode: process 1 of a PID namespace, with a mount namespace in which
 * it puts together what the program sees. When the program has ended, that task
 * ends as well, and with it all that is left in the namespace, mounts included. To
 * the parent a program is a descriptor, and to close it ends it.
 */
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/kernel.h>
#include <linux/namei.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/posix-timers.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/tty.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <uapi/linux/mount.h>
#include <asm/program.h>
#include <asm/ring.h>
#include <asm/wrap.h>
#include "../../../fs/internal.h"

int __real_kernel_execve(const char *file, const char *const *argv, const char *const *envp);

struct program {
	struct kref ref;
	struct lkl_exec e;
	struct lkl_mount mounts[LKL_EXEC_MOUNTS];
	char *file, *dir, *strings, *targets[LKL_EXEC_MOUNTS];
	const char **argv, **envp;
	struct file *files[3];

	struct list_head limited;	/* while e.processes bounds its namespace */
	struct pid_namespace *ns;
	struct pid *init;		/* process 1 */
	struct pid *pid;		/* of the program, */
	struct task_struct *task;	/* and its task, once there is one */
	struct completion started;	/* or failed, with err */
	int err;
	struct lkl_exit exit;
};

static void free_program(struct kref *ref)
{
	struct program *p = container_of(ref, struct program, ref);
	unsigned int i;

	for (i = 0; i < LKL_EXEC_MOUNTS; i++)
		kfree(p->targets[i]);
	for (i = 0; i < 3; i++)
		if (p->files[i])
			fput(p->files[i]);
	if (p->task)
		put_task_struct(p->task);
	put_pid(p->init);
	put_pid(p->pid);
	kfree(p->file);
	kfree(p->dir);
	kvfree(p->strings);
	kvfree(p->argv);
	kvfree(p->envp);
	kfree(p);
}

static void put_program(struct program *p)
{
	kref_put(&p->ref, free_program);
}

/* What the parent asks for, copied out of the window. */

static int copy_path(char **to, u64 from)
{
	char *s = strndup_user((const char __user *)from, PATH_MAX);

	if (IS_ERR(s))
		return PTR_ERR(s);
	*to = s;
	return 0;
}

/* The next n strings. Returns what is after them, or NULL. */
static const char *split(const char *s, const char *end, u32 n, const char **to)
{
	for (; n; n--) {
		if (s >= end)
			return NULL;
		*to++ = s;
		s += strlen(s) + 1;
	}
	return s;
}

static int copy_strings_of(struct program *p)
{
	const struct lkl_exec *e = &p->e;
	const char *end, *s;

	if (!e->argc || e->argc > LKL_EXEC_WORDS || e->envc > LKL_EXEC_WORDS || e->size > LKL_EXEC_STRINGS)
		return -E2BIG;
	p->argv = kvcalloc(e->argc + 1, sizeof(char *), GFP_KERNEL);
	p->envp = kvcalloc(e->envc + 1, sizeof(char *), GFP_KERNEL);
	p->strings = kvzalloc(e->size + 1, GFP_KERNEL);
	if (!p->argv || !p->envp || !p->strings)
		return -ENOMEM;
	if (copy_from_user(p->strings, (const void __user *)e->strings, e->size))
		return -EFAULT;
	end = p->strings + e->size;
	s = split(p->strings, end, e->argc, p->argv);
	return s && split(s, end, e->envc, p->envp) ? 0 : -EINVAL;
}

static int copy_mounts(struct program *p)
{
	unsigned int i;
	int err = 0;

	if (p->e.mounts > LKL_EXEC_MOUNTS)
		return -E2BIG;
	if (copy_from_user(p->mounts, (const void __user *)p->e.mount,
			   p->e.mounts * sizeof(*p->mounts)))
		return -EFAULT;
	for (i = 0; !err && i < p->e.mounts; i++)
		err = copy_path(&p->targets[i], p->mounts[i].target);
	return err;
}

static int copy_request(struct program *p, u64 ptr)
{
	int i, err;

	if (copy_from_user(&p->e, (const void __user *)ptr, sizeof(p->e)))
		return -EFAULT;
	if (p->e.as.ngroups > LKL_GROUPS_MAX || p->e.flags & ~LKL_EXEC_TTY)
		return -EINVAL;
	for (i = 0; i < 3; i++)
		if (p->e.fds[i] >= 0 && !(p->files[i] = fget(p->e.fds[i])))
			return -EBADF;
	err = copy_path(&p->file, p->e.file);
	if (!err)
		err = copy_path(&p->dir, p->e.dir);
	if (!err)
		err = copy_strings_of(p);
	if (!err)
		err = copy_mounts(p);
	return err;
}

/* In the program's task, on its way to execve(2). */

static int take_files(struct program *p)
{
	int i, err = 0;

	sys_close_range(0, ~0U, 0);
	for (i = 0; !err && i < 3; i++) {
		if (!p->files[i])
			continue;
		err = replace_fd(i, p->files[i], 0);
		if (err == i)
			err = 0;
		/* or who reads from a pipe of its would wait for its end in vain */
		fput(p->files[i]);
		p->files[i] = NULL;
	}
	return err < 0 ? err : 0;
}

static void limit(unsigned int what, unsigned long soft, unsigned long hard)
{
	current->signal->rlim[what] = (struct rlimit){ soft, hard };
}

static int become(struct program *p)
{
	struct path dir;
	int err;

	err = take_files(p);
	if (err)
		return err;
	ksys_setsid();
#ifdef CONFIG_TTY
	if (p->e.flags & LKL_EXEC_TTY) {
		err = sys_ioctl(0, TIOCSCTTY, 0);
		if (err)
			return err;
	}
#endif
	limit(RLIMIT_CORE, 0, 0);
	limit(RLIMIT_NOFILE, 1024, 65536);
	if (p->e.cpu_seconds) {
		limit(RLIMIT_CPU, p->e.cpu_seconds, p->e.cpu_seconds);
		update_rlimit_cpu(current, p->e.cpu_seconds);
	}
	current->fs->umask = p->e.as.umask & 0777;
	err = lkl_become(&p->e.as);
	if (err)
		return err;
	err = kern_path(p->dir, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dir);
	if (err)
		return err;
	set_fs_pwd(current->fs, &dir);
	path_put(&dir);
	return __real_kernel_execve(p->file, p->argv, p->envp);
}

static int program(void *arg)
{
	struct program *p = arg;
	int err = become(p);

	p->err = err;
	complete(&p->started);
	put_program(p);
	if (err)
		do_exit(127 << 8);
	return 0;
}

/* In process 1 of its namespace, while the parent's request waits for it. */

/* The pointer to the target is the parent's, as in a system call of its own. */
static int put_mount(const struct lkl_mount *m)
{
	const char __user *target = (const char __user *)m->target;
	long len = strnlen_user(target, PATH_MAX);

	if (len <= 0 || len > PATH_MAX)
		return -EFAULT;
	/* from "", which is what the target ends with: the descriptor itself */
	return sys_move_mount(m->fd, target + len - 1, AT_FDCWD, target,
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
}

static int mount_proc(const char *target)
{
	struct path to;
	int err = kern_path(target, LOOKUP_FOLLOW, &to);

	if (err)
		return err;
	err = path_mount("proc", &to, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	path_put(&to);
	return err;
}

/* What was mounted on "/" lies over it: it is the root from here on. */
static int enter_new_root(void)
{
	struct path root;
	int err = kern_path("/", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &root);

	if (err)
		return err;
	while (d_mountpoint(root.dentry) && follow_down_one(&root))
		;
	set_fs_root(current->fs, &root);
	set_fs_pwd(current->fs, &root);
	path_put(&root);
	return 0;
}

static int make_mounts(struct program *p)
{
	unsigned int i;
	int err;

	for (i = 0; i < p->e.mounts; i++) {
		const struct lkl_mount *m = &p->mounts[i];

		err = m->fd == LKL_MOUNT_PROC ? mount_proc(p->targets[i]) : put_mount(m);
		if (!err && !strcmp(p->targets[i], "/"))
			err = enter_new_root();
		if (err && !((m->flags & LKL_MOUNT_OPTIONAL) &&
			     (err == -ENOENT || err == -ENOTDIR || err == -ELOOP)))
			return err;
	}
	return 0;
}

static int start_program(struct program *p)
{
	int err = make_mounts(p);

	/* what the parent has open is no business of a program */
	sys_close_range(0, ~0U, 0);
	lkl_user_mode_work();	/* process 1 never goes there */
	if (err)
		return err;
	if (p->e.hostname[0])
		strscpy(utsname()->nodename, p->e.hostname, sizeof(utsname()->nodename));
	kref_get(&p->ref);
	err = user_mode_thread(program, p, SIGCHLD);
	if (err < 0) {
		put_program(p);
		return err;
	}
	p->pid = find_get_pid(err);
	p->task = get_pid_task(p->pid, PIDTYPE_PID);
	return 0;
}

/* How it ended and what it took, as wait4(2) says it. */
static void take_result(struct program *p)
{
	struct signal_struct *sig = p->task->signal;

	p->exit.status = sig->flags & SIGNAL_GROUP_EXIT ? sig->group_exit_code
							 : p->task->exit_code;
	p->exit.utime_ns = sig->utime + sig->cutime;
	p->exit.stime_ns = sig->stime + sig->cstime;
	p->exit.maxrss = max(sig->maxrss, sig->cmaxrss) << PAGE_SHIFT;
}

/* Until the program has ended, and of all who have lost their parents before. */
static void reap(struct program *p)
{
	pid_t pid, program = pid_vnr(p->pid);

	do
		pid = kernel_wait4(-1, NULL, 0, NULL);
	while (pid > 0 && pid != program);
	if (pid == program)
		take_result(p);
	else
		p->exit.status = SIGKILL;	/* its namespace ends, and it with it */
}

static LIST_HEAD(limited);

/* Where a program may have so many processes and threads, process 1 not counted. */
LKL_WRAP(struct pid *, alloc_pid, struct pid_namespace *ns, pid_t *set_tid, size_t n)
{
	struct pid_namespace *up;
	struct program *p;

	list_for_each_entry(p, &limited, limited)
		for (up = ns; up; up = up->parent)
			if (up == p->ns && (up->pid_allocated & ~PIDNS_ADDING) > p->e.processes)
				return ERR_PTR(-EAGAIN);
	return __real_alloc_pid(ns, set_tid, n);
}

static int process_1(void *arg)
{
	struct program *p = arg;
	int err;

	set_task_comm(current, "init");
	p->ns = task_active_pid_ns(current);
	if (p->e.processes)
		list_add(&p->limited, &limited);
	flush_signal_handlers(current, 1);	/* a worker ignores some */
	err = start_program(p);
	if (err) {
		p->err = err;
		complete(&p->started);
	} else {
		reap(p);
	}
	list_del_init(&p->limited);
	put_program(p);
	do_exit(0);
}

/* What the parent asks for. */

/* Process 1 has ended, and nothing is left of its namespace. */
static bool is_over(struct program *p)
{
	struct task_struct *tsk;
	bool over;

	rcu_read_lock();
	tsk = pid_task(p->init, PIDTYPE_PID);
	over = !tsk || READ_ONCE(tsk->exit_state);
	rcu_read_unlock();
	return over;
}

static int program_release(struct inode *inode, struct file *file)
{
	struct program *p = file->private_data;

	kill_pid(p->init, SIGKILL, 1);
	wait_event_idle(p->init->wait_pidfd, is_over(p));
	put_program(p);
	return 0;
}

static const struct file_operations program_fops = {
	.release	= program_release,
	.llseek		= noop_llseek,
};

static struct program *new_program(void)
{
	struct program *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (p) {
		kref_init(&p->ref);
		init_completion(&p->started);
		INIT_LIST_HEAD(&p->limited);
	}
	return p;
}

long lkl_exec(u64 ptr)
{
	struct program *p;
	long ret;

	if (!lkl_user_memory())
		return -ENODEV;
	p = new_program();
	if (!p)
		return -ENOMEM;
	ret = copy_request(p, ptr);
	if (ret)
		goto out;
	kref_get(&p->ref);
	ret = user_mode_thread(process_1, p, SIGCHLD | CLONE_NEWPID | CLONE_NEWNS |
					     CLONE_NEWUTS | CLONE_NEWIPC);
	if (ret < 0) {
		put_program(p);
		goto out;
	}
	p->init = find_get_pid(ret);
	wait_for_completion_state(&p->started, TASK_IDLE);
	ret = p->err;
	if (!ret) {
		ret = anon_inode_getfd("[program]", &program_fops, p, O_CLOEXEC);
		if (ret >= 0)
			return ret;
	}
	kill_pid(p->init, SIGKILL, 1);
	wait_event_idle(p->init->wait_pidfd, is_over(p));
out:
	put_program(p);
	return ret;
}

static struct program *get_program(int fd)
{
	struct file *file = fget(fd);
	struct program *p = ERR_PTR(-EBADF);

	if (!file)
		return p;
	if (file->f_op == &program_fops) {
		p = file->private_data;
		kref_get(&p->ref);
	}
	fput(file);
	return p;
}

long lkl_program_wait(int fd, u64 result)
{
	struct program *p = get_program(fd);
	long ret;

	if (IS_ERR(p))
		return PTR_ERR(p);
	wait_event_idle(p->init->wait_pidfd, is_over(p));
	ret = copy_to_user((void __user *)result, &p->exit, sizeof(p->exit)) ? -EFAULT : 0;
	put_program(p);
	return ret;
}

long lkl_program_kill(int fd, int sig, u32 flags)
{
	struct program *p = get_program(fd);
	long ret = -EINVAL;

	if (IS_ERR(p))
		return PTR_ERR(p);
	if (is_over(p))
		ret = -ESRCH;
	else if (flags == LKL_KILL_ALL && sig == SIGKILL)
		ret = kill_pid(p->init, sig, 1);
	else if (flags == LKL_KILL_GROUP && sig)
		ret = kill_pgrp(p->pid, sig, 1);
	else if (!flags)
		ret = kill_pid(p->pid, sig, 1);
	put_program(p);
	return ret;
}
