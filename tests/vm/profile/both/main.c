// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A module that is traced and counted. Writing x to /sys/module/prof_both/parameters/run decides something; writing to
 * spin goes through a loop, until 1 is written to stop or for 16 s.
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>

unsigned long both_spin(unsigned long end);

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

static bool stop;
module_param(stop, bool, 0600);

/* Nothing but what clang counts is stored to in the loop, which calls nothing: its counters could be in registers. */
noinline unsigned long both_spin(unsigned long end)
{
	unsigned long n = 0;

	while (!READ_ONCE(stop)) {
		if ((long)(end - jiffies) < 0)
			break;
		n++;
	}
	return n;
}

static int spin_set(const char *value, const struct kernel_param *parameter)
{
	WRITE_ONCE(sink, both_spin(jiffies + 16 * HZ));
	return 0;
}
static const struct kernel_param_ops spin_ops = { .set = spin_set };
module_param_cb(spin, &spin_ops, NULL, 0200);

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
