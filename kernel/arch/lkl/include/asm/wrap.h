/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_WRAP_H
#define _ASM_LKL_WRAP_H
/*
 * A function that stands in for a generic one by the linker's --wrap (see
 * arch/lkl/Makefile): callers in other files get this one.
 */
#define LKL_WRAP(ret, fn, ...)						\
	ret __real_##fn(__VA_ARGS__);					\
	ret __wrap_##fn(__VA_ARGS__);					\
	ret __wrap_##fn(__VA_ARGS__)
#endif
