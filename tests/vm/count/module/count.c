// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls what is to be counted, between two readings of the TSC or time base. Under qemu's -icount that advances by as much with each
 * instruction, so the difference to the same calls of functions that only return is a number of instructions.
 */
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

#include <covbuf/kmod.h>

#include "count.h"

#define TEN_TIMES(call) call; call; call; call; call; call; call; call; call; call
#define HUNDRED_TIMES(call) TEN_TIMES(TEN_TIMES(call))

/* By names of our own: the prototypes of these differ between kernels. */
void hook_pc(void) __asm__("__sanitizer_cov_trace_pc");
void hook_cmp8(u64 arg1, u64 arg2) __asm__("__sanitizer_cov_trace_cmp8");

/* In a module of their own, as the hooks are: on POWER a call there has more instructions than one. */
void empty_hook_pc(void);
void empty_hook_cmp8(u64 arg1, u64 arg2);
void empty_remote_start(u64 handle);
void empty_remote_stop(void);

static __attribute__((noipa)) void do_one(const struct count_request *request)
{
	hook_pc();
}

static __attribute__((noipa)) void do_empty_one(const struct count_request *request)
{
	empty_hook_pc();
}

static __attribute__((noipa)) void do_pc(const struct count_request *request)
{
	HUNDRED_TIMES(hook_pc());
}

static __attribute__((noipa)) void do_empty_pc(const struct count_request *request)
{
	HUNDRED_TIMES(empty_hook_pc());
}

static __attribute__((noipa)) void do_cmp(const struct count_request *request)
{
	HUNDRED_TIMES(hook_cmp8(1, 2));
}

static __attribute__((noipa)) void do_empty_cmp(const struct count_request *request)
{
	HUNDRED_TIMES(empty_hook_cmp8(1, 2));
}

static __attribute__((noipa)) void do_section(const struct count_request *request)
{
	u32 nr_records = request->nr_records;

	covbuf_remote_start(request->handle);
	while (nr_records--)
		hook_pc();
	covbuf_remote_stop();
}

static __attribute__((noipa)) void do_empty_section(const struct count_request *request)
{
	u32 nr_records = request->nr_records;

	empty_remote_start(request->handle);
	while (nr_records--)
		empty_hook_pc();
	empty_remote_stop();
}

static void (*const functions[COUNT_NR_WHAT][2])(const struct count_request *request) = {
	[COUNT_ONE] = { do_one, do_empty_one },
	[COUNT_PC] = { do_pc, do_empty_pc },
	[COUNT_CMP] = { do_cmp, do_empty_cmp },
	[COUNT_SECTION] = { do_section, do_empty_section },
};

static struct count_request request;
static DEFINE_MUTEX(lock); /* of request */

static void count(struct irq_work *work)
{
	void (*function)(const struct count_request *) = functions[request.what][!!request.empty];
	cycles_t start = get_cycles();

	function(&request);
	request.ticks = get_cycles() - start;
}

static struct irq_work in_hardirq = IRQ_WORK_INIT_HARD(count);

static long count_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long err = 0;

	if (command != COUNT_IOCTL)
		return -ENOTTY;
	if (mutex_lock_interruptible(&lock))
		return -EINTR;
	if (copy_from_user(&request, user, sizeof(request))) {
		err = -EFAULT;
	} else if (request.what >= COUNT_NR_WHAT) {
		err = -EINVAL;
	} else if (request.hardirq) {
		irq_work_queue(&in_hardirq);
		irq_work_sync(&in_hardirq);
	} else {
		count(NULL);
	}
	if (!err && copy_to_user(user, &request, sizeof(request)))
		err = -EFAULT;
	mutex_unlock(&lock);
	return err;
}

static const struct file_operations count_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = count_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice count_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "count",
	.mode = 0600,
	.fops = &count_fops,
};
module_misc_device(count_device);
MODULE_DESCRIPTION("Counts the instructions of coverage hooks and sections");
MODULE_LICENSE("Dual BSD/GPL");
