// SPDX-License-Identifier: GPL-2.0-only
/* The memory of programs, which the kernel reaches by their page tables. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/program.h>

#define MAX_TRIES	8

/* The kernel's address of a program's byte, or NULL. */
static void *reach(unsigned long addr, bool write)
{
	struct mm_struct *mm = current->mm;
	int tries, code;

	if (addr >= TASK_SIZE)
		return NULL;
	for (tries = 0; tries < MAX_TRIES; tries++) {
		pte_t *pte = lkl_pte(mm, addr);

		if (lkl_pte_allows(pte, write, false))
			return pfn_to_virt(pte_pfn(*pte)) + offset_in_page(addr);
		if (lkl_fault(addr, write, false, NULL, &code))
			return NULL;
	}
	return NULL;
}

enum what { FROM_PROGRAM, TO_PROGRAM, CLEAR };

/* Page by page. Returns how many bytes are left. */
static __always_inline unsigned long
copy(unsigned long addr, void *buf, unsigned long n, enum what what)
{
	while (n) {
		unsigned long part = min(n, PAGE_SIZE - offset_in_page(addr));
		void *p = reach(addr, what != FROM_PROGRAM);

		if (!p)
			break;
		if (what == FROM_PROGRAM)
			memcpy(buf, p, part);
		else if (what == TO_PROGRAM)
			memcpy(p, buf, part);
		else
			memset(p, 0, part);
		buf += part;
		addr += part;
		n -= part;
	}
	return n;
}

unsigned long lkl_copy_from_program(void *to, const void __user *from, unsigned long n)
{
	return copy((unsigned long)from, to, n, FROM_PROGRAM);
}
EXPORT_SYMBOL(lkl_copy_from_program);

unsigned long lkl_copy_to_program(void __user *to, const void *from, unsigned long n)
{
	return copy((unsigned long)to, (void *)from, n, TO_PROGRAM);
}
EXPORT_SYMBOL(lkl_copy_to_program);

unsigned long lkl_clear_program(void __user *to, unsigned long n)
{
	return copy((unsigned long)to, NULL, n, CLEAR);
}
EXPORT_SYMBOL(lkl_clear_program);

/*
 * A piece of a string: its address for the kernel, and in *part how much of it may
 * be looked at, up to the end of the page, or of the window.
 */
static const char *piece(const char __user *s, unsigned long *part)
{
	unsigned long addr = (unsigned long)s;

	*part = min(*part, PAGE_SIZE - offset_in_page(addr));
	if (current->mm)
		return reach(addr, false);
	return access_ok(s, 1) ? (const char __force *)s : NULL;
}

long strncpy_from_user(char *dst, const char __user *src, long n)
{
	long done = 0;

	while (done < n) {
		unsigned long part = n - done;
		const char *p = piece(src + done, &part);
		unsigned long len;

		if (!p)
			return -EFAULT;
		len = strnlen(p, part);
		memcpy(dst + done, p, len);
		done += len;
		if (len < part) {
			dst[done] = 0;	/* whatever is there by now */
			return done;
		}
	}
	return done;
}
EXPORT_SYMBOL(strncpy_from_user);

long strnlen_user(const char __user *s, long n)
{
	long done = 0;

	while (done < n) {
		unsigned long part = n - done;
		const char *p = piece(s + done, &part), *end;

		if (!p)
			return 0;
		end = memchr(p, 0, part);
		if (end)
			return done + (end - p) + 1;
		done += part;
	}
	return n < 0 ? 0 : n + 1;
}
EXPORT_SYMBOL(strnlen_user);
