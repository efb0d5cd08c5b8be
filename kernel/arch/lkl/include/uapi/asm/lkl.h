/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface between a library kernel and the program that started it.
 *
 * This file is the one definition of it. It compiles alone with any C
 * compiler; the Go package lkl mirrors it in abi.go, and a test there
 * compiles this file and compares every offset and constant.
 *
 * The kernel is a process with four descriptors and one shared memory object,
 * the window. Requests, completions and bulk data lie in the window; the
 * descriptors only wake and log. Both sides take numbers in the window for
 * untrusted: each copies a descriptor out once, then checks it.
 *
 * Every word that one side writes while the other reads it is accessed with
 * sequentially consistent atomics. All are little endian.
 */
#ifndef _UAPI_ASM_LKL_H
#define _UAPI_ASM_LKL_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef int32_t __s32;
typedef uint64_t __u64;
typedef int64_t __s64;
#endif

#define LKL_MAGIC		0x746f6f626e75ULL	/* "unboot" */
#define LKL_VERSION		3

/* Descriptors of the process when it starts; it closes all others. */
#define LKL_FD_WINDOW		0	/* memfd of LKL_WINDOW_SIZE bytes */
#define LKL_FD_EVENT		1	/* eventfd: wakes the parent's block server */
#define LKL_FD_LOG		2	/* pipe: the kernel's log, as lines */
#define LKL_FD_CONTROL		3	/* socket: brings descriptors of disks, and the
					 * memory of programs */
#define LKL_FD_IMAGE		4	/* for the loader: a file with the kernel in it;
					 * LKL_FLAG_SNAPSHOT: an empty file */

/*
 * The window is mapped at this address in the kernel, where it is the only
 * memory that a request may point to ("user memory").
 */
#define LKL_WINDOW_BASE		0x10000000UL
#define LKL_WINDOW_SIZE		0x02000000UL

/* What lies where in the window, as offsets from its start. */
#define LKL_OFF_HEADER		0x00000000UL	/* struct lkl_header */
#define LKL_OFF_CALL_RING	0x00001000UL	/* struct lkl_ring: to the kernel */
#define LKL_OFF_BLOCK_RING	0x00002000UL	/* struct lkl_ring: to the parent */
#define LKL_OFF_DONE_RING	0x00003000UL	/* struct lkl_ring: to the kernel */
#define LKL_OFF_CALLS		0x00004000UL	/* struct lkl_call[LKL_CALLS] */
#define LKL_OFF_BLOCKS		0x00014000UL	/* struct lkl_block[LKL_BLOCKS] */
#define LKL_OFF_ARENA		0x00020000UL	/* the parent's: data of calls */
#define LKL_OFF_BOUNCE		0x01800000UL	/* the kernel's: data of blocks */

#define LKL_CALLS		256
#define LKL_BLOCKS		64
#define LKL_DISKS		256

/* lkl_header.status, a futex word */
#define LKL_STATUS_START	0
#define LKL_STATUS_READY	1	/* boot is over, requests are taken */
#define LKL_STATUS_HALTED	2	/* exits with 0 */
#define LKL_STATUS_PANIC	3	/* exits with LKL_EXIT_PANIC */

/* lkl_header.flags, set by the parent */
#define LKL_FLAG_NO_SPIN	0x1	/* one processor: waiting must sleep */
#define LKL_FLAG_TESTING	0x2	/* LKL_OP_HOSTCALL and _PANIC are taken */
#define LKL_FLAG_BOOT		0x4	/* for the loader: take no snapshot */
#define LKL_FLAG_SNAPSHOT	0x8	/* at build: once booted, write a snapshot, and exit */

/* lkl_header.sandbox, set by the kernel before it takes requests */
#define LKL_SANDBOX_SECCOMP	0x0001	/* never missing: no filter, no boot */
#define LKL_SANDBOX_NO_NEW_PRIVS 0x0002
#define LKL_SANDBOX_NO_DUMP	0x0004
#define LKL_SANDBOX_PDEATHSIG	0x0008	/* dies with the thread that started it */
#define LKL_SANDBOX_CLOSED	0x0010	/* no inherited descriptor but the four */
#define LKL_SANDBOX_LANDLOCK	0x0020	/* no path of the host can be opened */
#define LKL_SANDBOX_NEWUSER	0x0040	/* own namespaces: */
#define LKL_SANDBOX_NEWNET	0x0080
#define LKL_SANDBOX_NEWIPC	0x0100
#define LKL_SANDBOX_NEWNS	0x0200
#define LKL_SANDBOX_NEWUTS	0x0400

/* Exit codes of the process; anything else is a signal. */
#define LKL_EXIT_LOADER		119	/* the kernel is not in memory */
#define LKL_EXIT_SETUP		120	/* bad window, descriptors or memory */
#define LKL_EXIT_SANDBOX	121	/* the filter could not be installed */
#define LKL_EXIT_FAULT		122	/* a fault in kernel code: bad access */
#define LKL_EXIT_PANIC		134

#define LKL_CMDLINE_SIZE	1024

struct lkl_header {
	/* by the parent, before the start */
	__u64 magic;
	__u32 version;
	__u32 flags;
	__u64 memory;		/* bytes of RAM, image included */
	__u64 clock;		/* ns since the epoch; 0: the host's clock */
	__u32 workers;		/* the most calls that run at once; read again by
				 * LKL_OP_PROGRAMS */
	__u32 spin;		/* ns to poll before sleeping; 0: default */
	__u8  seed[32];		/* for the random number generator */
	__u32 parent;		/* process id of the parent, as the kernel sees it */
	__u32 __pad0;
	__u64 image;		/* where in LKL_FD_IMAGE the kernel begins, bytes */
	__u64 programs;		/* bytes of memory for programs, a multiple of
				 * LKL_PROGRAMS_UNIT; 0: none */
	__u8  __pad1[32];
	/* by the kernel, offset 128 */
	__u32 status;		/* LKL_STATUS_* */
	__u32 sandbox;		/* LKL_SANDBOX_* */
	__u32 sandbox_errno;	/* why a part of it is missing, the last one */
	__u32 snapshot;		/* 1: it was not booted, but went on from a snapshot */
	__u64 boot_ns;		/* from the first instruction to ready */
	__u8  __pad3[40];
	/* offset 192: 1 while the kernel sleeps on this futex word */
	__u32 kernel_asleep;
	__u8  __pad4[60];
	/* offset 256: 1 while the block server sleeps on LKL_FD_EVENT */
	__u32 server_asleep;
	__u8  __pad5[60];
	char  cmdline[LKL_CMDLINE_SIZE];	/* offset 320 */
};

/*
 * A ring of indexes. The producer writes entry[tail % n], then tail + 1; the
 * consumer reads up to tail. There are never more than n of them under way,
 * so a ring cannot overflow. Then the producer looks at the consumer's
 * asleep word, and if it can exchange a 1 there for a 0, wakes it: the kernel
 * with FUTEX_WAKE on the word, the server by adding 1 to the eventfd. Before
 * sleeping, a consumer sets its word to 1 and looks at the rings once more.
 */
struct lkl_ring {
	__u32 tail;		/* the producer's */
	__u8  __pad0[60];
	__u32 head;		/* the consumer's */
	__u8  __pad1[60];
	__u32 entry[LKL_CALLS];	/* LKL_BLOCKS of them used in the block rings */
};

/*
 * lkl_call.state, a futex word. The parent posts a call with POSTED; before
 * it sleeps on the word it exchanges POSTED for WAITED. The kernel exchanges
 * DONE into it, and issues a FUTEX_WAKE if it was WAITED.
 */
#define LKL_CALL_FREE		0
#define LKL_CALL_POSTED		1
#define LKL_CALL_WAITED		2
#define LKL_CALL_DONE		3

#define LKL_GROUPS_MAX		32

/*
 * Whose call it is: all four ids of a process are the same, and only those of
 * user 0 come with its capabilities.
 */
struct lkl_identity {
	__u32 uid;
	__u32 gid;
	__u32 umask;
	__u32 ngroups;		/* supplementary groups, at most LKL_GROUPS_MAX */
	__u32 groups[LKL_GROUPS_MAX];
};

/*
 * A request: a system call (nr >= 0, numbered as in asm-generic/unistd.h on
 * every host; flags and structures as in asm-generic too) or an operation.
 */
struct lkl_call {
	__u32 state;
	__s32 nr;
	__s32 root;		/* descriptor of the directory that is "/"; or -1 */
	__u32 flags;		/* LKL_CALL_AS */
	__u64 args[6];
	__s64 ret;		/* result, or minus an errno */
	struct lkl_identity as;	/* with LKL_CALL_AS; else it is root's, umask 0 */
	__u8  __pad0[40];
};

/* lkl_call.flags */
#define LKL_CALL_AS		0x1

/*
 * Operations beyond system calls: lkl_call.nr, its arguments, its result.
 * Pointers are addresses in the window, as for system calls.
 */

/* (links, count): run struct lkl_link[count] in order. Returns 0. */
#define LKL_OP_CHAIN		-1
/*
 * (fd, buf, size, statx_mask, flags): the next entries of a directory as
 * struct lkl_dirent, each with its metadata, without "." and "..". Returns
 * the bytes filled, 0 at the end, -EINVAL if not even one entry fits.
 */
#define LKL_OP_READDIR		-2
/*
 * (fd, buf, size, offset): pread and pwrite by the shortest way: past the
 * page cache where file, offset and size allow it, in one piece.
 */
#define LKL_OP_READ		-3
#define LKL_OP_WRITE		-4
/* (struct lkl_disk *): attach a disk. Returns 0; fills name. */
#define LKL_OP_DISK_ADD		-5
/* (id): detach a disk; -EBUSY while it is in use. */
#define LKL_OP_DISK_DEL		-6
/* (): power off; the answer is the end of the process. */
#define LKL_OP_HALT		-7
/* (struct lkl_hostcall *): make a system call of the host. Testing only. */
#define LKL_OP_HOSTCALL		-8
/* (): panic. Testing only. */
#define LKL_OP_PANIC		-9
/*
 * (fd, buf, size, offset, pieces, count): as LKL_OP_READ, but data that lies
 * plainly on a disk which does not change may be left for the parent to read.
 * Then struct lkl_piece[count] says where it is; length 0 ends it. Returns
 * what LKL_OP_READ does.
 */
#define LKL_OP_LOCATE		-10

/*
 * (): take programs from now on. A descriptor comes by LKL_FD_CONTROL: a memfd
 * of lkl_header.programs bytes, and LKL_CONTROL_SIZE more, struct lkl_stubs at
 * its end. A spawner with the same memfd as its descriptor 0 must be running
 * or be started soon: the executable stub, which is built beside loader; its
 * argv[1] is the offset of struct lkl_stubs in the memfd, in decimal, and it
 * dies with its parent thread. Returns 0, and -EALREADY the second time.
 */
#define LKL_OP_PROGRAMS		-11
/*
 * (struct lkl_exec *): start a program. Returns a descriptor of it, which is
 * close-on-exec, once execve(2) has succeeded. To close the descriptor kills
 * the program and all that it has started.
 */
#define LKL_OP_EXEC		-12
/*
 * (fd, struct lkl_exit *): wait for its end. Returns 0. It takes a worker
 * while it waits; any number of waits is allowed.
 */
#define LKL_OP_WAIT		-13
/*
 * (fd, signal, flags): send a signal to the program. Returns 0, or -ESRCH when
 * it has ended.
 */
#define LKL_OP_KILL		-14

#define LKL_PROGRAMS_UNIT	0x800000
#define LKL_CONTROL_SIZE	4096

/* flags of LKL_OP_KILL */
#define LKL_KILL_GROUP		0x1	/* to its process group */
#define LKL_KILL_ALL		0x2	/* to all in its PID namespace */

#define LKL_CHAIN_MAX		128

/*
 * A link of a chain. args[i] is replaced by the result of link args[i] if bit
 * i of flags is set. A link is not run, and its ret is -ECANCELED, when one
 * that it takes a result from has failed; or, without LKL_LINK_ALWAYS, when
 * any earlier link has failed.
 */
#define LKL_LINK_ARG(i)		(1U << (i))
#define LKL_LINK_ALWAYS		0x100

struct lkl_link {
	__s32 nr;		/* a system call, LKL_OP_READDIR, _READ or _WRITE */
	__u32 flags;
	__u64 args[6];
	__s64 ret;
};

/* flags of LKL_OP_READDIR */
#define LKL_READDIR_LINK	0x1	/* with the targets of symbolic links */
#define LKL_READDIR_XATTR	0x2	/* with the size of listxattr's answer */
#define LKL_READDIR_ONCE	0x4	/* no file of it is likely to be used soon */

#define LKL_STATX_SIZE		160	/* of struct statx, what is used of it */

struct lkl_dirent {
	__u16 reclen;		/* of the whole record, a multiple of 8 */
	__u16 name_len;
	__u16 link_len;
	__u8  type;		/* DT_* as the file system says it */
	__u8  __pad0;
	__s32 error;		/* errno of statx, 0 if it is filled */
	__s32 xattr_size;	/* or minus an errno */
	__u8  statx[LKL_STATX_SIZE];
	/* name_len bytes of name, a NUL, link_len bytes of target, a NUL */
};

/* lkl_disk.flags */
#define LKL_DISK_RDONLY		0x01	/* no write is ever issued */
#define LKL_DISK_FD		0x02	/* a descriptor comes by LKL_FD_CONTROL */
#define LKL_DISK_OVERLAY	0x04	/* and then one that takes the writes */
#define LKL_DISK_DISCARD	0x08	/* discard may be issued */
#define LKL_DISK_ZEROES		0x10	/* write-zeroes may be issued */
#define LKL_DISK_NOWAIT		0x20	/* reads not in the host's page cache, and
					 * flushes, go to the parent */
#define LKL_DISK_BLKDEV		0x40	/* the descriptor is a block device */

struct lkl_disk {
	__u32 id;		/* chosen by the parent, below LKL_DISKS */
	__u32 flags;
	__u64 size;		/* bytes */
	__u32 logical_block;	/* bytes, 512 to 4096 */
	__u32 physical_block;
	__u64 overlay_limit;	/* bytes of writes it may hold; 0: no limit */
	char  name[32];		/* out: "sda" */
};

/* Part of what LKL_OP_LOCATE was to read. */
struct lkl_piece {
	__u32 disk;
	__u32 __pad0;
	__u64 offset;		/* in the disk, bytes */
	__u64 buffer;		/* where it belongs: offset in the window */
	__u64 length;		/* bytes */
};

/*
 * Each program is in a little container: a task without user mode, which has a
 * PID, a mount, a UTS and an IPC namespace of its own, and whose child, PID 2,
 * is the program. When the program has ended, everything is killed that it has
 * left behind in the PID namespace, and the mounts are gone with theirs.
 */

/* lkl_mount.fd: a procfs of the PID namespace */
#define LKL_MOUNT_PROC		-1

/* lkl_mount.flags */
#define LKL_MOUNT_OPTIONAL	0x1	/* no error where there is no target */

/*
 * A mount of a program, done in order, in its own mount namespace. The first
 * one should be on "/": it becomes the root, in which the targets of later ones
 * are resolved. Otherwise the program has the call's root, as by chroot(2).
 */
struct lkl_mount {
	__s32 fd;		/* of fsmount(2), or open_tree(2) with
				 * OPEN_TREE_CLONE; or LKL_MOUNT_PROC */
	__u32 flags;
	__u64 target;		/* a string: path */
};

#define LKL_EXEC_STRINGS	0x100000	/* most of lkl_exec.size */
#define LKL_EXEC_WORDS		8192	/* most of argc, and of envc */
#define LKL_EXEC_MOUNTS		64
#define LKL_HOSTNAME_SIZE	64

/* lkl_exec.flags */
#define LKL_EXEC_TTY		0x1	/* fds[0] is a terminal: the controlling
					 * one of the new session */

struct lkl_exec {
	__s32 fds[3];		/* become descriptors 0 to 2; -1: closed */
	__u32 flags;
	__u64 file;		/* a string: the program, an absolute path */
	__u64 dir;		/* a string: the working directory */
	__u64 strings;		/* argc arguments, then envc of environment, a
				 * NUL after each */
	__u32 size;		/* of strings, bytes */
	__u32 argc;
	__u32 envc;
	__u32 mounts;		/* how many */
	__u64 mount;		/* struct lkl_mount[mounts] */
	struct lkl_identity as;	/* the program's; mounts are made as root */
	__u64 cpu_seconds;	/* RLIMIT_CPU of each process; 0: none */
	__u32 processes;	/* most tasks in the PID namespace; 0: no limit
				 * but the kernel's */
	char  hostname[LKL_HOSTNAME_SIZE];	/* empty: as the kernel's */
	__u32 __pad0;
};

/* What wait4(2) says of a program. */
struct lkl_exit {
	__s32 status;
	__u32 __pad0;
	__u64 utime_ns;		/* of it and the children it has waited for */
	__u64 stime_ns;
	__u64 maxrss;		/* of the largest process, bytes */
};

struct lkl_hostcall {
	__s64 nr;
	__u64 args[6];
};

/* lkl_block.op */
#define LKL_BLOCK_READ		0
#define LKL_BLOCK_WRITE		1
#define LKL_BLOCK_FLUSH		2
#define LKL_BLOCK_DISCARD	3
#define LKL_BLOCK_ZEROES	4

/* A request for a disk that the parent serves; its index is its tag. */
struct lkl_block {
	__u32 disk;
	__u32 op;
	__u64 offset;		/* bytes, in the disk */
	__u64 length;		/* bytes */
	__u64 buffer;		/* offset in the window */
	__s32 result;		/* by the parent: 0 or minus an errno */
	__u8  __pad0[28];
};

#endif /* _UAPI_ASM_LKL_H */
