// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A module of a single object. */
#include <linux/build_bug.h>
#include <linux/module.h>

static int number = 3;
module_param(number, int, 0600);

static int __init one_init(void)
{
	BUILD_BUG_ON(__builtin_strcmp(KBUILD_MODNAME, "prof_one"));
	return number > 1 && number < MARK ? 0 : -ERANGE;
}

static void __exit one_exit(void)
{
}

module_init(one_init);
module_exit(one_exit);
MODULE_DESCRIPTION("What profiles are tried on");
MODULE_LICENSE("Dual BSD/GPL");
