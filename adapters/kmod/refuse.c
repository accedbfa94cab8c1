// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What covbuf.ko is on a kernel that has KCOV: the kernel's own hooks serve every module there. */
#include <linux/module.h>

static int __init covbuf_init(void)
{
	pr_err("covbuf: this kernel has CONFIG_KCOV: modules are recorded by its own hooks; use /sys/kernel/debug/kcov\n");
	return -EOPNOTSUPP;
}

module_init(covbuf_init);
MODULE_DESCRIPTION("Code coverage of modules, by KCOV's ABI");
MODULE_LICENSE("Dual BSD/GPL");
