// SPDX-License-Identifier: GPL-2.0-only
/* Several calls in one request, each able to use the results of earlier ones. */
#include <linux/kernel.h>
#include <linux/uaccess.h>
#include <asm/ring.h>

/* Whether a link is to be run; if so, with its arguments filled in. */
static bool prepare(struct lkl_link *link, const s64 *results, unsigned int i,
		    bool failed)
{
	unsigned int a;

	for (a = 0; a < ARRAY_SIZE(link->args); a++) {
		if (!(link->flags & LKL_LINK_ARG(a)))
			continue;
		if (link->args[a] >= i || results[link->args[a]] < 0)
			return false;
		link->args[a] = results[link->args[a]];
	}
	return !failed || (link->flags & LKL_LINK_ALWAYS);
}

long lkl_chain(u64 ptr, u64 count)
{
	struct lkl_link __user *links = (void *)ptr;
	s64 results[LKL_CHAIN_MAX];
	bool failed = false;
	unsigned int i;

	if (!count || count > LKL_CHAIN_MAX)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct lkl_link link;
		struct lkl_request c;

		if (copy_from_user(&link, &links[i], sizeof(link)))
			return -EFAULT;
		results[i] = -ECANCELED;
		if (prepare(&link, results, i, failed)) {
			c.nr = link.nr;
			memcpy(c.args, link.args, sizeof(c.args));
			results[i] = -EINVAL;
			if (c.nr >= 0 || c.nr == LKL_OP_READDIR ||
			    c.nr == LKL_OP_READ || c.nr == LKL_OP_WRITE)
				results[i] = lkl_call(&c);
		}
		failed |= results[i] < 0;
		if (put_user(results[i], &links[i].ret))
			return -EFAULT;
	}
	return 0;
}
