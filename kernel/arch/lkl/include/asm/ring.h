/* SPDX-License-Identifier: GPL-2.0-only */
/* The rings in the window: arch/lkl/ring/ and arch/lkl/block/. */
#ifndef _ASM_LKL_RING_H
#define _ASM_LKL_RING_H

#include <linux/types.h>
#include <asm/host.h>
#include <asm/time.h>


/* ring.c: both ends of a ring */
struct lkl_ring_end {
	struct lkl_ring *shared;
	u32 size;		/* entries in use, a power of two */
	u32 limit;		/* an index beyond it is refused */
	u32 pos;		/* our end: what the other side says of it is not read */
};

static inline u32 lkl_ring_pending(const struct lkl_ring_end *r)
{
	return lkl_shared_load(&r->shared->tail) - r->pos;
}

int lkl_ring_pop(struct lkl_ring_end *r);
void lkl_ring_push(struct lkl_ring_end *r, u32 index);

extern struct lkl_ring_end lkl_call_ring, lkl_block_ring, lkl_done_ring;

/* The tail of the call ring up to which lkl_call_interrupt() has looked. */
extern u32 lkl_calls_seen;

/* It boots, or serves a call. */
bool lkl_is_busy(void);				/* worker.c */

/* Requests to disks that the parent has yet to do. */
unsigned int lkl_blocks_served(void);		/* served.c */

/* The parent has done some; where the clock stands, all: kernel/clock.c. */
static inline bool lkl_done_news(void)
{
	u32 n = lkl_ring_pending(&lkl_done_ring);

	return n && (!lkl_fixed_clock() || n >= lkl_blocks_served());
}

/* Something was posted since the interrupts last ran. */
static inline bool lkl_ring_news(void)
{
	return lkl_shared_load(&lkl_call_ring.shared->tail) != lkl_calls_seen ||
	       lkl_done_news();
}

/* Poll; whether there is news. */
bool lkl_ring_poll(u64 until, bool (*may_go_on)(void));

/* The idle loop: until something is posted, or the clock reaches until. */
void lkl_ring_wait(u64 until);

/* worker.c: called as interrupts, when something is posted */
void lkl_call_interrupt(void);
/* served.c */
void lkl_done_interrupt(void);

void lkl_serve(void) __noreturn;		/* worker.c: what PID 1 does */
void lkl_set_workers(void);
void lkl_halt(void);			/* kernel/panic.c: does not return */

/* A request, copied out of the window. */
struct lkl_request {
	s32 nr;
	u64 args[6];
};

long lkl_call(const struct lkl_request *c);	/* call.c: any request */

/* identity.c: run a request as somebody; the worker keeps what it has made */
struct lkl_kept_identity {
	struct lkl_identity of;
	const struct cred *cred;
};
long lkl_call_as(struct lkl_kept_identity *kept, const struct lkl_identity *as,
		 const struct lkl_request *c);

int lkl_become(const struct lkl_identity *as);

long lkl_syscall(long nr, const u64 *args);	/* kernel/syscalls.c */
void lkl_user_mode_work(void);			/* kernel/syscalls.c */

/* The operations, by the files that hold them. */
long lkl_chain(u64 links, u64 count);
long lkl_readdir(int fd, u64 buf, u64 size, u32 mask, u32 flags);
long lkl_rw(int fd, u64 buf, u64 size, u64 offset, bool write);
long lkl_locate(int fd, u64 buf, u64 size, u64 offset, u64 pieces, u64 count);
long lkl_disk_add(u64 disk);
long lkl_disk_del(u64 id);

#endif
