// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The module around logic.c. Writing to /sys/module/prof/parameters/run runs it once; writing N to storm has two threads take
 * N steps each, and a timer one at each tick meanwhile, and returns when they are done. init=N fails the init so.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/timer.h>

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

static int take_steps(void *completion)
{
	for (unsigned int i = 0; i < steps; i++) {
		storm_step(i);
		if (i % 1024 == 0)
			cond_resched();
	}
	complete(completion);
	return 0;
}

static void on_tick(struct timer_list *timer)
{
	storm_tick(1);
	mod_timer(timer, jiffies + 1);
}

static int storm_set(const char *value, const struct kernel_param *parameter)
{
	struct timer_list timer;
	int err = kstrtouint(value, 0, &steps), nr = 0;

	if (err)
		return err;
	timer_setup_on_stack(&timer, on_tick, 0);
	mod_timer(&timer, jiffies + 1);
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
	del_timer_sync(&timer);
	destroy_timer_on_stack(&timer);
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
