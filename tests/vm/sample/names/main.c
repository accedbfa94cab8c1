// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A module that was written for KCOV, and names what it calls as KCOV does. Writing a name to
 * /sys/module/names/parameters/run runs a function of that name, or of a name that begins so.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <covbuf/kmod_kcov.h>

#define BUS 7

int left_out(int x);

static int sink;

/* Of several blocks each, and none of them in line. */
#define FUNCTION(name, k)					\
	static noinline void name(int x)			\
	{							\
		WRITE_ONCE(sink, x & 1 ? x * (k) : x + (k));	\
	}
FUNCTION(work_common, 3)
FUNCTION(work_usb, 5)
FUNCTION(softirq_usb, 7)
FUNCTION(task_usb, 9)
FUNCTION(scope_early, 11)
FUNCTION(scope_late, 13)
FUNCTION(scope_behind, 15)

static u64 handle;
static void (*what)(int x);
static DECLARE_COMPLETION(done);

static void on_common(struct work_struct *work)
{
	kcov_remote_start_common(handle);
	work_common(left_out(READ_ONCE(sink)));
	kcov_remote_stop();
	complete(&done);
}
static DECLARE_WORK(common_work, on_common);

static void on_usb(struct work_struct *work)
{
	kcov_remote_start_usb(BUS);
	work_usb(READ_ONCE(sink));
	kcov_remote_stop();
	complete(&done);
}
static DECLARE_WORK(usb_work, on_usb);

/* Run in a softirq and in a task: a section in the softirq only. */
static void urb_is_done(void)
{
	kcov_remote_start_usb_softirq(BUS);
	what(READ_ONCE(sink));
	kcov_remote_stop_softirq();
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	what = softirq_usb;
	urb_is_done();
	complete(&done);
}
static DECLARE_TASKLET(tasklet, on_tasklet);

static void in_scope(bool early)
{
	covbuf_remote_scope(handle);

	if (early) {
		scope_early(READ_ONCE(sink));
		return;
	}
	scope_late(READ_ONCE(sink));
}

static void on_scope(struct work_struct *work)
{
	in_scope(true);
	scope_behind(READ_ONCE(sink));
	in_scope(false);
	scope_behind(READ_ONCE(sink));
	complete(&done);
}
static DECLARE_WORK(scope_work, on_scope);

static int set_run(const char *name, const struct kernel_param *parameter)
{
	handle = kcov_common_handle();
	reinit_completion(&done);
	if (sysfs_streq(name, "work_common")) {
		schedule_work(&common_work);
	} else if (sysfs_streq(name, "work_usb")) {
		schedule_work(&usb_work);
	} else if (sysfs_streq(name, "softirq_usb")) {
		tasklet_schedule(&tasklet);
	} else if (sysfs_streq(name, "scope")) {
		schedule_work(&scope_work);
	} else if (sysfs_streq(name, "task_usb")) {
		what = task_usb;
		urb_is_done();
		complete(&done);
	} else {
		return -EINVAL;
	}
	wait_for_completion(&done);
	return 0;
}
static const struct kernel_param_ops run_ops = { .set = set_run };
module_param_cb(run, &run_ops, NULL, 0200);

static int __init names_init(void)
{
	return 0;
}

static void __exit names_exit(void)
{
	tasklet_kill(&tasklet);
	flush_work(&common_work);
	flush_work(&usb_work);
	flush_work(&scope_work);
}

module_init(names_init);
module_exit(names_exit);
MODULE_DESCRIPTION("KCOV's names, for the tests of covbuf.ko");
MODULE_LICENSE("Dual BSD/GPL");
