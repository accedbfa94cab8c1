// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lines that are reached, or not, by what is written to /dev/lines. The remarks say when: the tests look for
 * them. "init": while the module is loaded; "task": by any write; "remote": by a work item that it queues.
 */
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <covbuf/kmod.h>

static int noted;

/* So that a line has code of its own, which nothing merges with another's. A remark is where a block begins. */
static noinline void note(int what)
{
	WRITE_ONCE(noted, what);
}

/* What the compiler does not know. */
static int seven = 7;
module_param(seven, int, 0600);

static noinline int divide(int a, int b)
{
	if (!b) {
		note(1); /* never */
		return -EDOM;
	}
	if (a > 0)
		note(2); /* task */
	return a / b;
}

static noinline int never_called(int a)
{
	note(3); /* never */
	return a * a;
}

static noinline int later(int a)
{
	if (a < 0) {
		note(4); /* never */
		return never_called(a);
	}
	note(5); /* remote */
	return a + 1;
}

struct job {
	struct work_struct work;
	struct completion done;
	u64 handle;
	int value;
};

static void work(struct work_struct *item)
{
	struct job *job = container_of(item, struct job, work);

	covbuf_remote_start(job->handle);
	job->value = later(job->value);
	covbuf_remote_stop();
	complete(&job->done);
}

static int have_done(int value)
{
	struct job job = { .handle = covbuf_common_handle(), .value = value };

	init_completion(&job.done);
	INIT_WORK_ONSTACK(&job.work, work);
	schedule_work(&job.work);
	wait_for_completion(&job.done);
	destroy_work_on_stack(&job.work);
	return job.value;
}

static ssize_t lines_write(struct file *file, const char __user *from, size_t bytes, loff_t *at)
{
	u8 value;

	if (!bytes || copy_from_user(&value, from, 1)) {
		note(6); /* never */
		return -EFAULT;
	}
	if (divide(value, READ_ONCE(seven)) < 0)
		return never_called(value);
	have_done(value);
	if (bytes == 1)
		note(7); /* task */
	return bytes;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.write = lines_write,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lines",
	.fops = &operations,
	.mode = 0600,
};

static int __init lines_init(void)
{
	int err = misc_register(&device);

	if (err) {
		note(8); /* never */
		return err;
	}
	note(9); /* init */
	return 0;
}
module_init(lines_init);

static void __exit lines_exit(void)
{
	misc_deregister(&device);
	if (READ_ONCE(seven) == 7)
		note(10); /* exit */
}
module_exit(lines_exit);

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("covbuf test: lines of a module");
