/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Comes before all else in modules that clang builds for a kernel that gcc built: what Kconfig would have decided
 * otherwise. With the named address spaces, which Kconfig allows for gcc only, clang 19 reads "current" without the
 * %gs prefix, and the module faults.
 */
#include <linux/kconfig.h>
#undef CONFIG_CC_IS_GCC
#undef CONFIG_GCC_VERSION
#define CONFIG_GCC_VERSION 0
#define CONFIG_CC_IS_CLANG 1
#undef CONFIG_CC_HAS_NAMED_AS
#undef CONFIG_USE_X86_SEG_SUPPORT
