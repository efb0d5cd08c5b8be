/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot of a kernel that has booted: what a start maps instead of booting.
 *
 * It is made at build (host/boot/mksnapshot.c) and follows the image in its file, at
 * a page boundary after the section headers. The loader takes it where the parent
 * wants nothing that it was not made for.
 *
 * This file is read by the kernel, the loader and a program of the host.
 */
#ifndef _ASM_LKL_SNAPSHOT_H
#define _ASM_LKL_SNAPSHOT_H

#define LKL_SNAPSHOT_MAGIC	0x746f687370616e73ULL	/* "snapshot" */
#define LKL_SNAPSHOT_RUNS	300
/* It has made room for more memory: a kernel of less than that would miss what this takes. */
#define LKL_SNAPSHOT_LEAST	(64UL << 20)
#define LKL_SNAPSHOT_HEAD	0x2000UL		/* bytes before the first page */

/* Pages that lie together. */
struct lkl_snapshot_run {
	unsigned long addr, len;
	unsigned long off;		/* from the snapshot's start */
};

struct lkl_snapshot {
	unsigned long magic;
	unsigned long entry;		/* where it goes on */
	unsigned long memory, programs;	/* what struct lkl_header may say at most */
	unsigned long data, data_end;	/* addresses of what can change of the image, */
	unsigned long ram, ram_end;	/* and of all RAM */
	unsigned int cpu[4];		/* what it makes use of: lkl_machine_cpu() */
	char cmdline[64];		/* what the kernel was booted with */
	unsigned long nr_runs;
	struct lkl_snapshot_run run[LKL_SNAPSHOT_RUNS];
};

/*
 * As the kernel writes it, for mksnapshot: struct lkl_snapshot without runs, each page
 * that is not zero at its address less LKL_WINDOW_BASE, and from ram_end on whose pages
 * those of RAM are, as far as they are of caches of objects.
 */
struct lkl_snapshot_owner {
	unsigned long addr;
	char cache[24];
};

#endif
