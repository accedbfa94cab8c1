// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The module around logic.c. Writing to /sys/module/prof/parameters/run runs it once; writing N to storm has two threads
 * take N steps each, and a timer on each one's CPU one every 100 us meanwhile, and returns when they are done. init=N
 * fails the init so.
 */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "logic.h"
#include "storm.h"

static int init;
module_param(init, int, 0);

static int run_set(const char *value, const struct kernel_param *parameter)
{
	logic_run();
	return 0;
}
static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);

static unsigned int steps;
static struct completion done[2];

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	storm_tick(1);
	hrtimer_forward_now(timer, ns_to_ktime(100 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static int take_steps(void *completion)
{
	struct hrtimer timer;

	hrtimer_init_on_stack(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	timer.function = on_timer;
	hrtimer_start(&timer, 0, HRTIMER_MODE_REL_PINNED);
	for (unsigned int i = 0; i < steps; i++) {
		storm_step(i);
		if (i % 64 == 0)
			cond_resched();
	}
	hrtimer_cancel(&timer);
	destroy_hrtimer_on_stack(&timer);
	complete(completion);
	return 0;
}

static int storm_set(const char *value, const struct kernel_param *parameter)
{
	int err = kstrtouint(value, 0, &steps), nr = 0;

	if (err)
		return err;
	for (; nr < 2; nr++) {
		struct task_struct *task;

		init_completion(&done[nr]);
		task = kthread_create(take_steps, &done[nr], "storm/%d", nr);
		if (IS_ERR(task)) {
			err = PTR_ERR(task);
			break;
		}
		kthread_bind(task, nr % num_online_cpus());
		wake_up_process(task);
	}
	while (nr-- > 0)
		wait_for_completion(&done[nr]);
	return err;
}
static const struct kernel_param_ops storm_ops = { .set = storm_set };
module_param_cb(storm, &storm_ops, NULL, 0200);

static int __init prof_init(void)
{
	logic_early();
	return init;
}

static void __exit prof_exit(void)
{
	logic_late();
}

module_init(prof_init);
module_exit(prof_exit);
MODULE_DESCRIPTION("What profiles are tried on");
MODULE_LICENSE("Dual BSD/GPL");
