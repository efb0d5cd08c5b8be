/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LKL_BUG_H
#define _ASM_LKL_BUG_H

/* The parent is told the panic's words alone: say where it was in them. */
#define HAVE_ARCH_BUG
#define BUG() panic("BUG at %s:%d/%s()", __FILE__, __LINE__, __func__)

#include <asm-generic/bug.h>

#endif
