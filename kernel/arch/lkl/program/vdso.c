// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs read the time from, without a system call: a page with the time
 * when the kernel last let one of them go, which it writes each time, and an image
 * that adds what the processor's counter has counted since.
 *
 * No program sees time go back. The counter's rate is measured, and taken for
 * MARGIN less than that: so what is added is never more than has passed, whatever
 * a call to the kernel says next is later, and what the kernel says is in the page
 * before a program goes on. Should it be more all the same, since the counter is
 * not what it seems to be, programs ask the kernel from then on.
 */
#include <linux/elf.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <asm/host.h>
#include <asm/program.h>
#include <asm/time.h>
#include <asm/vdso.h>

#define SHIFT		24
#define MARGIN		10000		/* one part of so many */
/* Of time between two looks at both clocks, to know the counter's rate. */
#define FIRST_CYCLES	(1UL << 23)
#define AGAIN_CYCLES	(1UL << 28)
#define MEASURE_MAX_NS	NSEC_PER_SEC
/* What the counter may be added for; a program that computes is stopped before. */
#define VALID_NS	(200 * NSEC_PER_MSEC)
/* A look that takes longer has been interrupted. */
#define LOOK_CYCLES	500
#define MAX_FAILURES	4

extern const char lkl_vdso_image[], lkl_vdso_image_end[];

static struct page *pages[2];
static struct lkl_vdso_data *data;
static u64 look_ns, look_cycles;	/* a look at both */
static unsigned int failures;

static struct vm_special_mapping data_mapping = { .name = "[vvar]", .pages = pages };
static struct vm_special_mapping code_mapping = { .name = "[vdso]", .pages = pages + 1 };

/* The rate, from this look and the last one. */
static void measure(void)
{
	u64 before = lkl_host_cycles(), now = lkl_host_now(), after = lkl_host_cycles();
	u64 ns = now - look_ns, counted = after - look_cycles;

	if (after - before > LOOK_CYCLES)
		return;
	if (look_ns && ns < MEASURE_MAX_NS && counted > ns / 8 && counted < ns * 16) {
		u64 mult = div64_u64(ns << SHIFT, counted);

		data->mult = mult - div_u64(mult, MARGIN);
		data->valid = div64_u64(VALID_NS << SHIFT, data->mult);
	}
	look_ns = now;
	look_cycles = after;
}

static void set(clockid_t clock, ktime_t t)
{
	u32 nsec;

	data->clock[clock].sec = div_u64_rem(t, NSEC_PER_SEC, &nsec);
	data->clock[clock].nsec = nsec;
}

static void set_coarse(clockid_t clock, const struct timespec64 *ts)
{
	data->clock[clock].sec = ts->tv_sec;
	data->clock[clock].nsec = ts->tv_nsec;
}

/* What programs have been told may not be later than what they will be. */
static bool is_ahead(ktime_t now, u64 cycles)
{
	ktime_t then = data->clock[CLOCK_MONOTONIC].sec * NSEC_PER_SEC +
		       data->clock[CLOCK_MONOTONIC].nsec;
	u64 passed = cycles - data->cycles;

	if ((s64)passed < 0)
		return true;
	return data->mult && passed <= data->valid && then + (passed * data->mult >> SHIFT) > now;
}

void lkl_vdso_refresh(void)
{
	u64 cycles = lkl_host_cycles();
	struct timespec64 ts;
	ktime_t now;

	if (!data || lkl_fixed_clock() || failures == MAX_FAILURES)
		return;
	now = ktime_get();
	if (is_ahead(now, cycles)) {
		pr_warn("lkl: the processor's counter is ahead of the clock\n");
		data->mult = 0;
		look_ns = look_cycles = 0;
		failures++;
	}
	data->seq++;		/* other programs may read meanwhile */
	barrier();
	/* read after the clock: it is to count less */
	data->cycles = lkl_host_cycles();
	set(CLOCK_MONOTONIC, now);
	set(CLOCK_REALTIME, ktime_mono_to_any(now, TK_OFFS_REAL));
	set(CLOCK_BOOTTIME, ktime_mono_to_any(now, TK_OFFS_BOOT));
	ktime_get_coarse_real_ts64(&ts);
	set_coarse(CLOCK_REALTIME_COARSE, &ts);
	ktime_get_coarse_ts64(&ts);
	set_coarse(CLOCK_MONOTONIC_COARSE, &ts);
	if (cycles - look_cycles > (data->mult ? AGAIN_CYCLES : FIRST_CYCLES))
		measure();
	barrier();
	data->seq++;
}

/* With the first program. What goes wrong here leaves programs to ask. */
void lkl_vdso_init(void)
{
	unsigned int i;

	if (lkl_vdso_image_end - lkl_vdso_image > PAGE_SIZE)
		return;
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = alloc_page(LKL_GFP_PROGRAM | __GFP_ZERO);
		if (!pages[i])
			return;
	}
	memcpy(page_address(pages[1]), lkl_vdso_image, lkl_vdso_image_end - lkl_vdso_image);
	data = page_address(pages[0]);
	data->shift = SHIFT;
	data->coarse_ns = TICK_NSEC;
	for (i = 0; i < LKL_VDSO_CLOCKS; i++)
		data->clock[i].sec = -1;
	if (!lkl_host_clock_is_fast())
		failures = MAX_FAILURES;
}

int arch_setup_additional_pages(struct linux_binprm *bprm, int uses_interp)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long addr;
	int err = 0;

	if (!data)
		return 0;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	addr = get_unmapped_area(NULL, 0, 2 * PAGE_SIZE, 0, 0);
	if (IS_ERR_VALUE(addr)) {
		err = addr;
		goto out;
	}
	vma = _install_special_mapping(mm, addr, PAGE_SIZE, VM_READ | VM_MAYREAD, &data_mapping);
	if (!IS_ERR(vma))	/* a debugger may write to its copy of the code */
		vma = _install_special_mapping(mm, addr + PAGE_SIZE, PAGE_SIZE,
					       VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE |
					       VM_MAYEXEC, &code_mapping);
	if (IS_ERR(vma))
		err = PTR_ERR(vma);
	else
		mm->context.vdso = addr + PAGE_SIZE;
out:
	mmap_write_unlock(mm);
	return err;
}
