/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/linkage.h>

	.section .rodata, "a"
SYM_DATA_START(lkl_vdso_image)
	.incbin VDSO
SYM_DATA_END_LABEL(lkl_vdso_image, SYM_L_GLOBAL, lkl_vdso_image_end)
