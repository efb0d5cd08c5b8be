// SPDX-License-Identifier: GPL-2.0-only
/*
 * A directory with the metadata of its entries in one call: what getdents(2),
 * and for each entry statx(2), readlink(2) and listxattr(2) would give.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/stat.h>
#include <linux/uaccess.h>
#include <linux/xattr.h>
#include <asm/ring.h>

struct fill {
	struct dir_context ctx;
	char *pos, *end;		/* in the window, checked */
	bool full;
};

/* What is kept in a record in place of the metadata until there is some. */
struct place {
	loff_t off;			/* of the directory, to come back to it */
	u64 ino;
};

static struct lkl_dirent *record_at(void *pos)
{
	return pos;
}

static unsigned int record_size(unsigned int name_len, unsigned int link_len)
{
	return ALIGN(sizeof(struct lkl_dirent) + name_len + 1 + link_len + 1, 8);
}

/* The names come first: a lookup may need a lock that iterate_dir() holds. */
static bool fill_name(struct dir_context *ctx, const char *name, int len,
		      loff_t off, u64 ino, unsigned int type)
{
	struct fill *f = container_of(ctx, struct fill, ctx);
	struct lkl_dirent *d = record_at(f->pos);
	unsigned int size = record_size(len, 0);
	struct place place = { off, ino };

	if (len == 1 && name[0] == '.')
		return true;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return true;
	if (size > f->end - f->pos) {
		f->full = true;
		return false;
	}
	memset(d, 0, sizeof(*d));
	memcpy(d->statx, &place, sizeof(place));
	d->reclen = size;
	d->name_len = len;
	d->type = type;
	memcpy(d + 1, name, len);
	((char *)(d + 1))[len] = 0;
	((char *)(d + 1))[len + 1] = 0;
	f->pos += size;
	return true;
}

static void fill_statx(void *buf, const struct kstat *st)
{
	struct statx x = {
		.stx_mask = st->result_mask,
		.stx_blksize = st->blksize,
		.stx_attributes = st->attributes,
		.stx_attributes_mask = st->attributes_mask,
		.stx_nlink = st->nlink,
		.stx_uid = from_kuid_munged(current_user_ns(), st->uid),
		.stx_gid = from_kgid_munged(current_user_ns(), st->gid),
		.stx_mode = st->mode,
		.stx_ino = st->ino,
		.stx_size = st->size,
		.stx_blocks = st->blocks,
		.stx_atime = { st->atime.tv_sec, st->atime.tv_nsec },
		.stx_btime = { st->btime.tv_sec, st->btime.tv_nsec },
		.stx_ctime = { st->ctime.tv_sec, st->ctime.tv_nsec },
		.stx_mtime = { st->mtime.tv_sec, st->mtime.tv_nsec },
		.stx_rdev_major = MAJOR(st->rdev),
		.stx_rdev_minor = MINOR(st->rdev),
		.stx_dev_major = MAJOR(st->dev),
		.stx_dev_minor = MINOR(st->dev),
		.stx_mnt_id = st->mnt_id,
	};

	BUILD_BUG_ON(offsetof(struct statx, stx_dio_mem_align) + 8 > LKL_STATX_SIZE);
	memcpy(buf, &x, LKL_STATX_SIZE);
}

/* A symbolic link's target, for which the record at @to has @room bytes. */
static int fill_link(struct lkl_dirent *to, unsigned int room, struct dentry *dentry)
{
	DEFINE_DELAYED_CALL(done);
	const char *link = vfs_get_link(dentry, &done);
	char *buf = (char *)(to + 1) + to->name_len + 1;
	unsigned int len;
	int err = 0;

	if (IS_ERR(link))
		return PTR_ERR(link);
	len = strnlen(link, PATH_MAX);
	if (record_size(to->name_len, len) > room) {
		err = -ENOSPC;
	} else {
		memcpy(buf, link, len);
		buf[len] = 0;
		to->link_len = len;
		to->reclen = record_size(to->name_len, len);
	}
	do_delayed_call(&done);
	return err;
}

/* Whether files can be found by the numbers that the directory has just given. */
static bool has_numbers(const struct dentry *dir, u32 flags)
{
	struct inode *inode = d_inode(dir);

	/* where things change, it may be another file's by now */
	return (flags & LKL_READDIR_ONCE) && sb_rdonly(dir->d_sb) &&
	       dir->d_sb->s_magic == EXT4_SUPER_MAGIC &&
	       !IS_ENCRYPTED(inode) && !IS_CASEFOLDED(inode);
}

/*
 * A file by its number: a quarter less work than to search the directory for
 * its name. NULL if that has to be done, as for what is in use or mounted on,
 * or for what is wrong with it to be told.
 */
static struct dentry *by_number(struct dentry *dir, const struct lkl_dirent *d, u64 ino)
{
	struct qstr name = QSTR_INIT((char *)(d + 1), d->name_len);
	struct fid fid = { .i32.ino = ino };
	struct dentry *dentry;

	if (d->type == DT_DIR || d->type == DT_UNKNOWN || ino > U32_MAX)
		return NULL;
	name.hash = full_name_hash(dir, name.name, name.len);
	dentry = d_lookup(dir, &name);
	if (!dentry) {
		dentry = dir->d_sb->s_export_op->fh_to_dentry(dir->d_sb, &fid,
				offsetofend(struct fid, i32.gen) / 4, FILEID_INO32_GEN);
		if (IS_ERR_OR_NULL(dentry) || !d_is_dir(dentry))
			return IS_ERR(dentry) ? NULL : dentry;
	}
	dput(dentry);
	return NULL;
}

/*
 * A walk over everything would push all else out of memory, so what it has
 * seen is forgotten. But never what was written: an inode that is marked is
 * written when its last user puts it, and btrfs drops the pages of an inode
 * that is on its way out, for they are mostly those of a removed file. So only
 * where nothing is written, and only what goes at once, before anybody else
 * can find it: the mark stays with an inode for as long as it lives.
 */
static bool may_forget(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);

	return sb_rdonly(dentry->d_sb) && !d_is_dir(dentry) &&
	       d_count(dentry) == 1 && atomic_read(&inode->i_count) == 1 &&
	       !(inode->i_state & I_DIRTY_ALL);
}

/*
 * The metadata of the record at @d. Returns -ENOSPC if its link does not fit
 * in @room; every other error is the record's own.
 */
static int fill_record(struct lkl_dirent *d, unsigned int room,
		       const struct path *dir, u64 ino, u32 mask, u32 flags)
{
	struct path path = { .mnt = dir->mnt };
	struct kstat st;
	int err = 0;

	if (has_numbers(dir->dentry, flags))
		path.dentry = by_number(dir->dentry, d, ino);
	if (path.dentry)
		mntget(path.mnt);
	else
		err = vfs_path_lookup(dir->dentry, dir->mnt, (char *)(d + 1), 0, &path);
	if (err) {
		d->error = -err;
		return 0;
	}
	err = vfs_getattr(&path, &st, mask, AT_STATX_DONT_SYNC);
	if (!err) {
		st.mnt_id = 0;
		fill_statx(d->statx, &st);
		if ((flags & LKL_READDIR_LINK) && d_is_symlink(path.dentry))
			err = fill_link(d, room, path.dentry);
		if (flags & LKL_READDIR_XATTR) {
			ssize_t n = vfs_listxattr(path.dentry, NULL, 0);

			d->xattr_size = n == -EOPNOTSUPP ? 0 : n;
		}
	}
	if ((flags & LKL_READDIR_ONCE) && may_forget(path.dentry))
		d_mark_dontcache(d_inode(path.dentry));
	path_put(&path);
	if (err && err != -ENOSPC) {
		d->error = -err;
		err = 0;
	}
	return err;
}

/*
 * Names are listed into the last part of the buffer, then moved one by one to
 * its start, where each record gets its metadata and its link. If a link does
 * not fit, the next call starts with its entry.
 */
static long fill(struct file *dir, char *buf, u64 size, u32 mask, u32 flags)
{
	struct fill f = { .ctx.actor = fill_name, .end = buf + size };
	char *out = buf, *in = buf;
	int err;

	if (flags & LKL_READDIR_LINK)
		in += ALIGN(min(size / 2, 16UL * PATH_MAX), 8);
	f.pos = in;
	err = iterate_dir(dir, &f.ctx);
	if (f.pos == in)
		return err ?: f.full ? -EINVAL : 0;

	while (in < f.pos) {
		struct lkl_dirent *d = record_at(in), *to = record_at(out);
		struct place place;
		char *end;

		memcpy(&place, d->statx, sizeof(place));
		in += d->reclen;
		memmove(to, d, d->reclen);
		end = in < f.pos ? in : f.end;
		if (fill_record(to, end - out, &dir->f_path, place.ino, mask, flags)) {
			place.off = vfs_llseek(dir, place.off, SEEK_SET);
			if (place.off < 0)
				return place.off;
			break;
		}
		out += to->reclen;
		cond_resched();
	}
	return out > buf ? out - buf : -EINVAL;
}

long lkl_readdir(int fd, u64 buf, u64 size, u32 mask, u32 flags)
{
	struct fd f;
	long ret;

	size &= ~7UL;
	if (!access_ok((void *)buf, size) || !IS_ALIGNED(buf, 8))
		return -EFAULT;
	f = fdget_pos(fd);
	if (fd_empty(f))
		return -EBADF;
	ret = fill(fd_file(f), (void *)buf, size, mask, flags);
	fdput_pos(f);
	return ret;
}
