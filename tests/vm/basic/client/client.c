// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A module that is instrumented, and so needs what covbuf.ko exports. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/uaccess.h>

/* Kept beside a store between user_access_begin() and _end(): there objtool allows no other call than the hooks'. */
static ssize_t store_parity(unsigned long __user *to, unsigned long number)
{
	if (!user_access_begin(to, sizeof(*to)))
		return -EFAULT;
	switch (number & 3) {
	case 0:
		unsafe_put_user(0, to, fault);
		break;
	case 1:
	case 3:
		unsafe_put_user(1, to, fault);
		break;
	default:
		unsafe_put_user(number, to, fault);
	}
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

static int set_number(const char *text, const struct kernel_param *parameter)
{
	unsigned long number;
	int error = kstrtoul(text, 0, &number);

	if (error)
		return error;
	return store_parity((unsigned long __user *)number, number) == -EFAULT ? 0 : -EINVAL;
}

static const struct kernel_param_ops number_ops = { .set = set_number };

module_param_cb(number, &number_ops, NULL, 0200);

static int __init client_init(void)
{
	return 0;
}

static void __exit client_exit(void)
{
}

module_init(client_init);
module_exit(client_exit);
MODULE_DESCRIPTION("An instrumented module for the tests of covbuf.ko");
MODULE_LICENSE("Dual BSD/GPL");
