// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An instrumented module that does nothing but come and go. */
#include <linux/module.h>

static int __init fault_client_init(void)
{
	return 0;
}
module_init(fault_client_init);

static void __exit fault_client_exit(void)
{
}
module_exit(fault_client_exit);

MODULE_DESCRIPTION("instrumented, for the fault injection test of covbuf.ko");
MODULE_LICENSE("Dual BSD/GPL");
