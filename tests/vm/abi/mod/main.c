// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ABI test's module, uninstrumented part: a character device that has the functions of sites.c run in tasks, work
 * items, softirqs and interrupts. It is the same for a kernel with KCOV and for covbuf.ko: only the names of three
 * functions differ.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kallsyms.h>
#include <linux/kcov.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include "sites.h"

#ifdef CONFIG_KCOV
#define remote_start kcov_remote_start
#define remote_stop kcov_remote_stop
#define common_handle kcov_common_handle
#else
#define remote_start covbuf_remote_start
#define remote_stop covbuf_remote_stop
#define common_handle covbuf_common_handle
void covbuf_remote_start(u64 handle);
void covbuf_remote_stop(void);
u64 covbuf_common_handle(void);
void __sanitizer_cov_trace_cmp1(u8 a, u8 b);
void __sanitizer_cov_trace_cmp2(u16 a, u16 b);
void __sanitizer_cov_trace_cmp4(u32 a, u32 b);
void __sanitizer_cov_trace_cmp8(unsigned long a, unsigned long b);
void __sanitizer_cov_trace_const_cmp1(u8 a, u8 b);
void __sanitizer_cov_trace_const_cmp2(u16 a, u16 b);
void __sanitizer_cov_trace_const_cmp4(u32 a, u32 b);
void __sanitizer_cov_trace_const_cmp8(unsigned long a, unsigned long b);
void __sanitizer_cov_trace_switch(unsigned long value, void *cases);
#endif

/* One job at a time; a held one is beside it. */
static DEFINE_MUTEX(job_mutex);
static struct abi_job job;
static DECLARE_COMPLETION(job_done);
static u64 sink;

static void run_function(const struct abi_job *j)
{
	u32 i;

	for (i = 0; i < j->times; i++)
		WRITE_ONCE(sink, abi_plain[j->function](13));
}

static void run_sections(const struct abi_job *j)
{
	u32 i;

	for (i = 0; i < j->sections; i++) {
		if (j->handle != ABI_NO_SECTION)
			remote_start(j->handle);
		run_function(j);
		if (j->handle != ABI_NO_SECTION)
			remote_stop();
	}
}

static void on_work(struct work_struct *work)
{
	run_sections(&job);
	complete(&job_done);
}
static DECLARE_WORK(job_work, on_work);

static void on_tasklet(struct tasklet_struct *t)
{
	run_sections(&job);
	complete(&job_done);
}
static DECLARE_TASKLET(job_tasklet, on_tasklet);

static bool interrupted;
static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	run_function(&job);
	WRITE_ONCE(interrupted, true);
	return HRTIMER_NORESTART;
}
static struct hrtimer job_timer;

static struct abi_job held;
static DECLARE_COMPLETION(held_inside);
static DECLARE_COMPLETION(held_release);
static DECLARE_COMPLETION(held_done);
static struct file *holder;	/* who is to release it, if anybody */

static void on_held_work(struct work_struct *work)
{
	remote_start(held.handle);
	run_function(&held);
	complete(&held_inside);
	wait_for_completion(&held_release);
	run_function(&held);
	remote_stop();
	complete(&held_done);
}
static DECLARE_WORK(held_work, on_held_work);

static int hold(struct file *file, const struct abi_job *j)
{
	if (holder)
		return -EBUSY;
	held = *j;
	schedule_work(&held_work);
	wait_for_completion(&held_inside);
	holder = file;
	return 0;
}

static int release(struct file *file)
{
	if (holder != file)
		return -EINVAL;
	complete(&held_release);
	wait_for_completion(&held_done);
	holder = NULL;
	return 0;
}

static int run_job(struct file *file, unsigned int cmd, const struct abi_job *j)
{
	job = *j;
	switch (cmd) {
	case ABI_WORK:
		schedule_work(&job_work);
		wait_for_completion(&job_done);
		return 0;
	case ABI_SOFTIRQ:
		/* Raised with bottom halves off, it runs where they go on again: in this task, RT or not. */
		local_bh_disable();
		tasklet_schedule(&job_tasklet);
		local_bh_enable();
		wait_for_completion(&job_done);
		return 0;
	case ABI_HARDIRQ:
		WRITE_ONCE(interrupted, false);
		preempt_disable();
		hrtimer_start(&job_timer, ns_to_ktime(100 * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED_HARD);
		while (!READ_ONCE(interrupted))
			cpu_relax();
		preempt_enable();
		return 0;
	case ABI_HOLD:
		return hold(file, j);
	}
	return -ENOTTY;
}

static noinline void call_hooks(u64 a, u64 b)
{
	u64 cases8[] = { 2, 8, 0x11, 0x22 };
	u64 cases16[] = { 1, 16, 0x1111 };
	u64 cases32[] = { 1, 32, 0x11111111 };
	u64 cases64[] = { 1, 64, 0x1111111111111111ull };
	u64 cases24[] = { 1, 24, 0x777777 };	/* no such size: not recorded */

	__sanitizer_cov_trace_cmp1(a, b);
	__sanitizer_cov_trace_cmp2(a, b);
	__sanitizer_cov_trace_cmp4(a, b);
	__sanitizer_cov_trace_cmp8(a, b);
	__sanitizer_cov_trace_const_cmp1(a, b);
	__sanitizer_cov_trace_const_cmp2(a, b);
	__sanitizer_cov_trace_const_cmp4(a, b);
	__sanitizer_cov_trace_const_cmp8(a, b);
	__sanitizer_cov_trace_switch(a, cases8);
	__sanitizer_cov_trace_switch(a, cases16);
	__sanitizer_cov_trace_switch(a, cases32);
	__sanitizer_cov_trace_switch(a, cases64);
	__sanitizer_cov_trace_switch(a, cases24);
	barrier();	/* a call after the last one, as a tail call, would not return here */
}

static int tell_range(struct abi_range *range)
{
	char symbol[KSYM_SYMBOL_LEN], *slash;
	unsigned long start, size;

	if (range->function < ABI_PLAIN)
		start = (unsigned long)abi_plain[range->function];
	else if (range->function == ABI_COMPARING)
		start = (unsigned long)abi_compare;
	else if (range->function == ABI_HOOKING)
		start = (unsigned long)call_hooks;
	else
		return -EINVAL;
	sprint_symbol(symbol, start);	/* name+0x0/0x55 [abi_mod] */
	slash = strchr(symbol, '/');
	if (!slash || sscanf(slash, "/0x%lx", &size) != 1)
		return -ENOENT;
	range->start = start;
	range->end = start + size;
	return 0;
}

static long abi_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct abi_values values;
	struct abi_range range;
	struct abi_job j;
	u64 handle;
	int ret;

	switch (cmd) {
	case ABI_RANGE:
		if (copy_from_user(&range, user, sizeof(range)))
			return -EFAULT;
		ret = tell_range(&range);
		if (!ret && copy_to_user(user, &range, sizeof(range)))
			ret = -EFAULT;
		return ret;
	case ABI_HANDLE:
		handle = common_handle();
		return copy_to_user(user, &handle, sizeof(handle)) ? -EFAULT : 0;
	case ABI_COMPARE:
	case ABI_HOOKS:
		if (copy_from_user(&values, user, sizeof(values)))
			return -EFAULT;
		if (cmd == ABI_COMPARE)
			WRITE_ONCE(sink, abi_compare(values.a, values.b));
		else
			call_hooks(values.a, values.b);
		return 0;
	case ABI_RELEASE:
		mutex_lock(&job_mutex);
		ret = release(file);
		mutex_unlock(&job_mutex);
		return ret;
	}
	if (copy_from_user(&j, user, sizeof(j)))
		return -EFAULT;
	if (j.function >= ABI_PLAIN)
		return -EINVAL;
	if (j.handle == ABI_COMMON_HANDLE)
		j.handle = common_handle();
	if (cmd == ABI_RUN) {
		/* Any number of tasks at once. */
		run_function(&j);
		return 0;
	}
	mutex_lock(&job_mutex);
	ret = run_job(file, cmd, &j);
	mutex_unlock(&job_mutex);
	return ret;
}

/* A program that dies with a section held. */
static int abi_release(struct inode *inode, struct file *file)
{
	mutex_lock(&job_mutex);
	release(file);
	mutex_unlock(&job_mutex);
	return 0;
}

static const struct file_operations abi_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = abi_ioctl,
	.compat_ioctl = abi_ioctl,
	.release = abi_release,
};

static struct miscdevice abi_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "covbuf_abi",
	.fops = &abi_fops,
	.mode = 0600,
};

static int __init abi_init(void)
{
	hrtimer_init(&job_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	job_timer.function = on_timer;
	return misc_register(&abi_misc);
}

static void __exit abi_exit(void)
{
	misc_deregister(&abi_misc);
	tasklet_kill(&job_tasklet);
	flush_work(&job_work);
	hrtimer_cancel(&job_timer);
}

module_init(abi_init);
module_exit(abi_exit);
MODULE_DESCRIPTION("what the ABI test collects the coverage of");
MODULE_LICENSE("Dual BSD/GPL");
