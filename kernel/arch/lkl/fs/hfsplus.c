// SPDX-License-Identifier: GPL-2.0-only
/*
 * On a volume that has a tree of attributes, listing those of a file that has
 * none is ENODATA. listxattr(2) knows no such error: the list is empty.
 */
#include "hfsplus_fs.h"
#include "xattr.h"
#include <asm/wrap.h>

LKL_WRAP(ssize_t, hfsplus_listxattr, struct dentry *dentry, char *buffer, size_t size)
{
	ssize_t n = __real_hfsplus_listxattr(dentry, buffer, size);

	return n == -ENODATA ? 0 : n;
}
