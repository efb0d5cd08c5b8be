// SPDX-License-Identifier: GPL-2.0-only
/* /proc/cpuinfo, which programs read to know what the processor can do. */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <asm/host.h>
#include <asm/time.h>

#define WORDS	22

/* The names of all flags, by word and bit: made of x86's <asm/cpufeatures.h>. */
static const char *const names[WORDS * 32] = {
#include "cpu_flags.h"
};

/* A bit of word 9 */
#define FSGSBASE	BIT(0)
/* Bits of word 3 */
#define CONSTANT_TSC	BIT(8)
#define REP_GOOD	BIT(16)
#define NOPL		BIT(20)
#define NONSTOP_TSC	BIT(24)
#define CPUID		BIT(25)

struct cpuid {
	u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf, u32 sub)
{
	struct cpuid r = { .a = leaf, .c = sub };

	asm volatile("cpuid" : "+a" (r.a), "=b" (r.b), "+c" (r.c), "=d" (r.d));
	return r;
}

static struct cpuid cpuid_if(u32 leaf, u32 sub)
{
	if (cpuid(leaf & 0x80000000, 0).a < leaf)
		return (struct cpuid) { };
	return cpuid(leaf, sub);
}

/* As x86 has it: programs are not to know of these instructions. */
static int __init no_fsgsbase(char *unused)
{
	lkl_host_hwcap2 &= ~LKL_MACHINE_HWCAP2_FSGSBASE;
	return 0;
}
early_param("nofsgsbase", no_fsgsbase);

/* What the processor is said to have that no word of cpuid's has a bit for. */
static u32 other_flags(void)
{
	u32 power = cpuid_if(0x80000007, 0).d;
	u32 flags = REP_GOOD | NOPL | CPUID;

	if (power & BIT(8))
		flags |= CONSTANT_TSC | NONSTOP_TSC;
	return flags;
}

/* Word by word, as there. */
static u32 flags(unsigned int word)
{
	switch (word) {
	case 0:
		return cpuid(1, 0).d;
	case 1:
		/* those that repeat bits of word 0 have no name */
		return cpuid_if(0x80000001, 0).d;
	case 3:
		return other_flags();
	case 4:
		return cpuid(1, 0).c;
	case 6:
		return cpuid_if(0x80000001, 0).c;
	case 9:
		return cpuid_if(7, 0).b & ~(lkl_host_has_fsgsbase() ? 0 : FSGSBASE);
	case 10:
		return cpuid_if(0xd, 1).a;
	case 12:
		return cpuid_if(7, 0).a ? cpuid(7, 1).a : 0;
	case 13:
		return cpuid_if(0x80000008, 0).b;
	case 14:
		return cpuid_if(6, 0).a;
	case 16:
		return cpuid_if(7, 0).c;
	case 17:
		return cpuid_if(0x80000007, 0).b;
	case 18:
		return cpuid_if(7, 0).d;
	}
	return 0;
}

/* How often the processor's counter counts in a ms, as measured since the first look. */
static u64 counter_khz(void)
{
	static u64 first_ns, first_cycles;
	u64 ns, cycles;

	if (!first_ns) {
		first_ns = lkl_host_now();
		first_cycles = lkl_host_cycles();
		__delay(NSEC_PER_MSEC);
	}
	ns = lkl_host_now() - first_ns;
	cycles = lkl_host_cycles() - first_cycles;
	/* no more digits than it takes: 128 bits would be needed after hours */
	while (cycles > U32_MAX) {
		cycles >>= 1;
		ns >>= 1;
	}
	return ns ? div64_u64(cycles * NSEC_PER_MSEC, ns) : 0;
}

static void show_model(struct seq_file *m)
{
	struct cpuid name[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(name); i++)
		name[i] = cpuid_if(0x80000002 + i, 0);
	seq_printf(m, "model name\t: %.*s\n", (int)sizeof(name),
		   name[0].a ? strim((char *)name) : "unknown");
}

static int show(struct seq_file *m, void *v)
{
	struct cpuid vendor = cpuid(0, 0), id = cpuid(1, 0), sizes = cpuid_if(0x80000008, 0);
	u32 family = id.a >> 8 & 0xf, model = id.a >> 4 & 0xf;
	u32 power = cpuid_if(0x80000007, 0).d, line = (id.b >> 8 & 0xff) * 8;
	u64 khz = lkl_fixed_clock() ? 0 : counter_khz();
	unsigned int word, bit;

	if (family == 0xf)
		family += id.a >> 20 & 0xff;
	if (family >= 6)
		model += (id.a >> 16 & 0xf) << 4;
	seq_printf(m, "processor\t: 0\nvendor_id\t: %.4s%.4s%.4s\ncpu family\t: %u\nmodel\t\t: %u\n",
		   (char *)&vendor.b, (char *)&vendor.d, (char *)&vendor.c, family, model);
	show_model(m);
	seq_printf(m, "stepping\t: %u\n", id.a & 0xf);
	if (khz)
		seq_printf(m, "cpu MHz\t\t: %llu.%03llu\n", khz / 1000, khz % 1000);
	if (cpuid_if(0x80000006, 0).c >> 16)
		seq_printf(m, "cache size\t: %u KB\n", cpuid_if(0x80000006, 0).c >> 16);
	seq_puts(m, "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n"
		 "apicid\t\t: 0\ninitial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\n");
	seq_printf(m, "cpuid level\t: %u\nwp\t\t: yes\nflags\t\t:", vendor.a);
	for (word = 0; word < WORDS; word++)
		for (bit = 0; bit < 32; bit++)
			if (flags(word) >> bit & 1 && names[word * 32 + bit])
				seq_printf(m, " %s", names[word * 32 + bit]);
	seq_puts(m, "\nbugs\t\t:\n");
	if (khz)
		seq_printf(m, "bogomips\t: %llu.%02llu\n", khz / 500, khz / 5 % 100);
	seq_printf(m, "clflush size\t: %u\ncache_alignment\t: %u\n", line ?: 64, line ?: 64);
	if (sizes.a)
		seq_printf(m, "address sizes\t: %u bits physical, %u bits virtual\n",
			   sizes.a & 0xff, sizes.a >> 8 & 0xff);
	seq_printf(m, "power management:%s\n\n", power & BIT(8) ? " constant_tsc" : "");
	return 0;
}

static void *start(struct seq_file *m, loff_t *pos)
{
	return *pos < 1 ? (void *)1 : NULL;
}

static void *next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return NULL;
}

static void stop(struct seq_file *m, void *v)
{
}

const struct seq_operations cpuinfo_op = {
	.start	= start,
	.next	= next,
	.stop	= stop,
	.show	= show,
};
