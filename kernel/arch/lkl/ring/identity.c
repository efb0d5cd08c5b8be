// SPDX-License-Identifier: GPL-2.0-only
/* Calls as another user than root: the credentials of each call by itself. */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs_struct.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/user_namespace.h>
#include <asm/ring.h>

static int set_groups_of(struct cred *cred, const struct lkl_identity *as)
{
	struct user_namespace *ns = current_user_ns();
	struct group_info *groups = groups_alloc(as->ngroups);
	unsigned int i;

	if (!groups)
		return -ENOMEM;
	for (i = 0; i < as->ngroups; i++)
		groups->gid[i] = make_kgid(ns, as->groups[i]);
	groups_sort(groups);
	set_groups(cred, groups);
	put_group_info(groups);
	return 0;
}

static struct cred *make_cred(const struct lkl_identity *as)
{
	struct user_namespace *ns = current_user_ns();
	struct cred *cred = prepare_creds();
	int err;

	if (!cred)
		return ERR_PTR(-ENOMEM);
	cred->uid = cred->euid = cred->suid = cred->fsuid = make_kuid(ns, as->uid);
	cred->gid = cred->egid = cred->sgid = cred->fsgid = make_kgid(ns, as->gid);
	if (as->uid) {
		cap_clear(cred->cap_inheritable);
		cap_clear(cred->cap_permitted);
		cap_clear(cred->cap_effective);
		cap_clear(cred->cap_ambient);
	}
	err = set_groups_of(cred, as);
	if (!err && (!uid_valid(cred->uid) || !gid_valid(cred->gid)))
		err = -EINVAL;
	if (err) {
		abort_creds(cred);
		return ERR_PTR(err);
	}
	return cred;
}

/* Be somebody from here on: a program that is about to start. */
int lkl_become(const struct lkl_identity *as)
{
	struct cred *cred = make_cred(as);

	return IS_ERR(cred) ? PTR_ERR(cred) : commit_creds(cred);
}

/* What is after the last group is not looked at. */
static bool same(const struct lkl_identity *a, const struct lkl_identity *b)
{
	return a->ngroups == b->ngroups &&
	       !memcmp(a, b, offsetof(struct lkl_identity, groups[a->ngroups]));
}

long lkl_call_as(struct lkl_kept_identity *kept, const struct lkl_identity *as,
		 const struct lkl_request *c)
{
	const struct cred *old;
	struct cred *cred;
	long ret;

	if (as->ngroups > LKL_GROUPS_MAX)
		return -EINVAL;
	if (!kept->cred || !same(&kept->of, as)) {
		cred = make_cred(as);
		if (IS_ERR(cred))
			return PTR_ERR(cred);
		if (kept->cred)
			put_cred(kept->cred);
		kept->cred = cred;
		kept->of = *as;
	}
	old = override_creds(kept->cred);
	current->fs->umask = as->umask & 0777;
	ret = lkl_call(c);
	current->fs->umask = 0;
	revert_creds(old);
	return ret;
}
