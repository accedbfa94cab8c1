// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gets the kernel into the trouble that its parameter names, when it is loaded. */
#include <linux/bottom_half.h>
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>

static char *with = "nothing";
module_param(with, charp, 0400);
static int *nowhere;

static int __init trouble_init(void)
{
	if (!strcmp(with, "warning")) {
		WARN(1, "asked for");
	} else if (!strcmp(with, "oops")) {
		WRITE_ONCE(*READ_ONCE(nowhere), 1);
	} else if (!strcmp(with, "atomic")) {
		local_bh_disable(); /* which every kernel counts */
		msleep(1);
		local_bh_enable();
	}
	return 0;
}

static void __exit trouble_exit(void)
{
}

module_init(trouble_init);
module_exit(trouble_exit);
MODULE_DESCRIPTION("Trouble, for the tests of the tests");
MODULE_LICENSE("Dual BSD/GPL");
