// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A module one of whose records is of another size, as another compiler's are. */
#include <linux/module.h>

static char record[24] __used __section("__llvm_prf_data") = { 1 };

static int __init bad_init(void)
{
	return 0;
}

static void __exit bad_exit(void)
{
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_DESCRIPTION("What profiles are tried on");
MODULE_LICENSE("Dual BSD/GPL");
