// SPDX-License-Identifier: GPL-2.0-only
/* The host's clocks, by its vDSO: no system call. */
#include <linux/elf.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <asm/host.h>

#define HOST_CLOCK_REALTIME	0
#define HOST_CLOCK_MONOTONIC	1

#define DT_GNU_HASH		0x6ffffef5

static int (*vdso_clock_gettime)(int clock, struct lkl_host_timespec *ts);

static u64 notrace host_clock(int clock)
{
	struct lkl_host_timespec ts;

	if (likely(vdso_clock_gettime))
		vdso_clock_gettime(clock, &ts);
	else
		lkl_host_call(clock_gettime, clock, &ts, 0, 0, 0, 0);
	return ts.sec * NSEC_PER_SEC + ts.nsec;
}

/*
 * The clock of a kernel from a snapshot goes on where it stood, whatever the host's
 * says: the host may have booted since, or be another.
 */
static u64 offset;

u64 notrace lkl_host_now(void)
{
	return host_clock(HOST_CLOCK_MONOTONIC) - offset;
}

void __init lkl_host_clock_set(u64 now)
{
	offset = host_clock(HOST_CLOCK_MONOTONIC) - now;
}

u64 lkl_host_date(u64 ns)
{
	return ns + offset;
}

u64 lkl_host_wall(void)
{
	return host_clock(HOST_CLOCK_REALTIME);
}

bool lkl_host_clock_is_fast(void)
{
	return vdso_clock_gettime;
}

/* A GNU hash table does not say how many symbols there are: follow it. */
static u32 __init gnu_hash_symbols(const u32 *hash)
{
	u32 buckets = hash[0], first = hash[1], i, n = 0;
	const u32 *bucket = hash + 4 + hash[2] * 2;
	const u32 *chain = bucket + buckets;

	for (i = 0; i < buckets; i++)
		n = max(n, bucket[i]);
	if (n < first)
		return 0;
	while (!(chain[n - first] & 1))
		n++;
	return n + 1;
}

void __init lkl_host_clock_init(unsigned long vdso)
{
	const Elf64_Ehdr *eh = (void *)vdso;
	const Elf64_Phdr *ph;
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	unsigned long bias = 0;
	bool loaded = false;
	u32 i, n = 0;

	vdso_clock_gettime = NULL;
	offset = 0;
	if (!vdso)
		return;
	ph = (void *)(vdso + eh->e_phoff);
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			bias = vdso + ph[i].p_offset - ph[i].p_vaddr;
			loaded = true;
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dyn = (void *)(vdso + ph[i].p_offset);
		}
	}
	for (; dyn && dyn->d_tag; dyn++) {
		const void *p = (void *)(dyn->d_un.d_ptr + bias);

		switch (dyn->d_tag) {
		case DT_SYMTAB:
			sym = p;
			break;
		case DT_STRTAB:
			str = p;
			break;
		case DT_HASH:
			n = ((const u32 *)p)[1];
			break;
		case DT_GNU_HASH:
			n = n ?: gnu_hash_symbols(p);
			break;
		}
	}
	if (!sym || !str)
		return;
	for (i = 0; i < n; i++)
		if (!strcmp(str + sym[i].st_name, LKL_MACHINE_VDSO_GETTIME))
			vdso_clock_gettime = (void *)(sym[i].st_value + bias);
}
