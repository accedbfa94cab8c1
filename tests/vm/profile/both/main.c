// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A module that is traced and counted. Writing x to /sys/module/prof_both/parameters/run decides something. */
#include <linux/kernel.h>
#include <linux/module.h>

static int sink;

static noinline void decide(int x)
{
	WRITE_ONCE(sink, x > 3 && x < 9);
}

static int run_set(const char *value, const struct kernel_param *parameter)
{
	int x, err = kstrtoint(value, 0, &x);

	if (!err)
		decide(x);
	return err;
}
static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);

static int __init both_init(void)
{
	return 0;
}

static void __exit both_exit(void)
{
}

module_init(both_init);
module_exit(both_exit);
MODULE_DESCRIPTION("What profiles are tried on");
MODULE_LICENSE("Dual BSD/GPL");
