// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of "user" memory, for direct I/O. mm/gup.c looks for them in the mm of
 * the task, and a worker has none: a file that is opened with O_DIRECT would end
 * the kernel with its first small read (large ones do not come here, see
 * ring/rw.c). All user memory is the window, which is mapped for good and has
 * struct pages, so nothing has to be looked up, faulted in or locked.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/wrap.h>

/* Takes refs references on each page; returns how many pages, or -EFAULT. */
static int take_pages(unsigned long start, int nr_pages, int refs,
		      struct page **pages)
{
	int i;

	start &= PAGE_MASK;
	if (nr_pages <= 0)
		return 0;
	if (!access_ok((void __user *)start, (unsigned long)nr_pages << PAGE_SHIFT))
		return -EFAULT;
	for (i = 0; i < nr_pages; i++) {
		pages[i] = virt_to_page(start + ((unsigned long)i << PAGE_SHIFT));
		folio_ref_add(page_folio(pages[i]), refs);
	}
	return nr_pages;
}

LKL_WRAP(int, get_user_pages_fast, unsigned long start, int nr_pages,
	 unsigned int gup_flags, struct page **pages)
{
	if (current->mm)
		return __real_get_user_pages_fast(start, nr_pages, gup_flags, pages);
	return take_pages(start, nr_pages, 1, pages);
}

/* What unpin_user_pages() gives back for each page is a bias, not one reference. */
LKL_WRAP(int, pin_user_pages_fast, unsigned long start, int nr_pages,
	 unsigned int gup_flags, struct page **pages)
{
	if (current->mm)
		return __real_pin_user_pages_fast(start, nr_pages, gup_flags, pages);
	return take_pages(start, nr_pages, GUP_PIN_COUNTING_BIAS, pages);
}
