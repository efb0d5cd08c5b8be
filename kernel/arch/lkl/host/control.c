// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors that the parent sends, before it makes the request they belong to. */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <asm/host.h>

#define MAX_FDS			2

#define HOST_SOL_SOCKET		1
#define HOST_SCM_RIGHTS		1
#define HOST_MSG_DONTWAIT	0x40

/* The host's struct msghdr and cmsghdr: recvmsg(2), unix(7). */
struct host_msghdr {
	void *name;
	u32 namelen;
	struct lkl_host_iovec *iov;
	u64 iovlen;
	void *control;
	u64 controllen;
	u32 flags;
};

struct host_cmsg {
	u64 len;
	s32 level, type;
	s32 fds[MAX_FDS];
};

/* Those that came are set, also where there should have been more: -EBADMSG. */
int lkl_host_receive(int *fds, unsigned int n)
{
	struct host_cmsg cmsg = { };
	char byte;
	struct lkl_host_iovec iov = { &byte, 1 };
	struct host_msghdr msg = {
		.iov = &iov,
		.iovlen = 1,
		.control = &cmsg,
		.controllen = sizeof(cmsg),
	};
	unsigned int i;
	long ret;

	ret = lkl_host_call(recvmsg, LKL_FD_CONTROL, &msg, HOST_MSG_DONTWAIT, 0, 0, 0);
	if (ret < 0)
		return ret;
	if (cmsg.level != HOST_SOL_SOCKET || cmsg.type != HOST_SCM_RIGHTS)
		return -EBADMSG;
	for (i = 0; i < n; i++) {
		if (cmsg.len < offsetof(struct host_cmsg, fds[i + 1]))
			return -EBADMSG;
		fds[i] = cmsg.fds[i];
	}
	return 0;
}
