// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs scripts (sections.h). Not instrumented: it only decides which of the instrumented functions runs where.
 *
 * A script's operations run one after another, each level's inside that of the one that asked for it and
 * waited for, so one script makes one deterministic sequence of records; several run at once from several tasks.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "traced.h"

void covbuf_remote_start(u64 handle);
void covbuf_remote_stop(void);
u64 covbuf_common_handle(void);

/* What is to run at a level, and by what it gets there. No level is inside itself, so one of each will do. */
struct job {
	struct run *run;
	u32 from, to;
	bool asked, done;
	struct completion completion;
	union {
		struct tasklet_struct tasklet;
		struct timer_list timer;
		struct hrtimer hrtimer;
		struct irq_work irq_work;
		struct work_struct work;
	};
};

struct run {
	const struct sections_op *ops;
	const struct task_struct *task;
	u64 common_handle, epoch;
	u8 *seen;
	struct job jobs[SECTIONS_NR_LEVELS];
};

#define LEVEL(l) (1u << SECTIONS_##l)
#define HARD (LEVEL(HARDTIMER) | LEVEL(HARDIRQ))
#define HERE (LEVEL(BH_OFF) | LEVEL(PREEMPT_OFF) | LEVEL(IRQ_OFF))
#define SOFT (LEVEL(BH) | LEVEL(TASKLET) | LEVEL(TIMER) | LEVEL(HRTIMER))

/* Which levels may be asked for at which. */
static const u32 inside[SECTIONS_NR_LEVELS] = {
	[SECTIONS_TASK] = SOFT | HARD | HERE | LEVEL(IRQ_WORK) | LEVEL(WORK),
	[SECTIONS_WORK] = SOFT | HARD | HERE,
	[SECTIONS_BH] = HARD | LEVEL(IRQ_OFF),
	[SECTIONS_TASKLET] = HARD | LEVEL(IRQ_OFF),
	[SECTIONS_TIMER] = HARD | LEVEL(IRQ_OFF),
	[SECTIONS_HRTIMER] = HARD | LEVEL(IRQ_OFF),
	[SECTIONS_BH_OFF] = HARD | LEVEL(IRQ_OFF),
	[SECTIONS_PREEMPT_OFF] = HARD | LEVEL(IRQ_OFF),
};

static atomic64_t emitted[SECTIONS_NR_ACCOUNTS];
static u64 epochs[SECTIONS_NR_PHASES];
static DEFINE_PER_CPU(int, softirqs_open);

static void run_ops(struct run *run, enum sections_level level, u32 from, u32 to);

static void call(struct run *run, enum sections_level level, const struct sections_op *op)
{
	u32 fn = op->fn;
	u32 i;

	if (op->what == SECTIONS_CALL_EPOCH && run->epoch)
		fn += 1 + run->epoch % 2;
	if (op->account)
		atomic64_add(op->n, &emitted[op->account]);
	if (level == SECTIONS_TASK && raw_cpu_read(softirqs_open))
		run->seen[level] |= SECTIONS_SEEN_OVER;
	for (i = 0; i < op->n; i++) {
		sections_fns[fn](op->what == SECTIONS_CALL ? i : run->epoch);
		if (op->pause_us)
			udelay(op->pause_us);
	}
}

/* Where an enable was in force both before and after the start, it is the one that the section belongs to. */
static void start(struct run *run, const struct sections_op *op)
{
	u64 handle = op->value == SECTIONS_COMMON ? run->common_handle : op->value;
	u64 before = op->account ? READ_ONCE(epochs[op->account]) : 0;

	smp_mb();
	covbuf_remote_start(handle);
	smp_mb();
	if (op->account)
		run->epoch = before == READ_ONCE(epochs[op->account]) ? before : 0;
}

static void arrive(struct job *job)
{
	struct run *run = job->run;
	enum sections_level level = job - run->jobs;
	bool softirq = !in_hardirq() && in_serving_softirq();

	run->seen[level] |= in_hardirq() ? SECTIONS_SEEN_HARDIRQ : softirq ? SECTIONS_SEEN_SOFTIRQ : SECTIONS_SEEN_TASK;
	if (current == run->task)
		run->seen[level] |= SECTIONS_SEEN_BORROWED;
	if (softirq)
		this_cpu_inc(softirqs_open);
	run_ops(run, level, job->from, job->to);
	if (softirq)
		this_cpu_dec(softirqs_open);
	smp_store_release(&job->done, true);
	complete(&job->completion);
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	arrive(container_of(tasklet, struct job, tasklet));
}

static void on_timer(struct timer_list *timer)
{
	arrive(container_of(timer, struct job, timer));
}

static enum hrtimer_restart on_hrtimer(struct hrtimer *hrtimer)
{
	arrive(container_of(hrtimer, struct job, hrtimer));
	return HRTIMER_NORESTART;
}

static void on_irq_work(struct irq_work *irq_work)
{
	arrive(container_of(irq_work, struct job, irq_work));
}

static void on_work(struct work_struct *work)
{
	arrive(container_of(work, struct job, work));
}

/* The task stays on this CPU and is the one that is interrupted. */
static void spin(struct job *job)
{
	while (!smp_load_acquire(&job->done))
		cpu_relax();
}

/*
 * Only the first of the works that wait on a CPU raises the interrupt. Nothing may come between its being queued and
 * that: a softirq that queued one of its own there, and spun for it, would spin for ever.
 */
static void queue_irq_work(struct job *job)
{
	unsigned long flags;

	local_irq_save(flags);
	irq_work_queue(&job->irq_work);
	local_irq_restore(flags);
}

static void run_in(struct run *run, enum sections_level level, u32 from, u32 to)
{
	struct job *job = &run->jobs[level];
	unsigned long flags;

	job->asked = true;
	job->from = from;
	job->to = to;
	job->done = false;
	reinit_completion(&job->completion);
	switch (level) {
	case SECTIONS_BH:
		local_bh_disable();
		tasklet_schedule(&job->tasklet);
		local_bh_enable();
		break;
	case SECTIONS_TASKLET:
		tasklet_schedule(&job->tasklet);
		break;
	case SECTIONS_TIMER:
		mod_timer(&job->timer, jiffies + 1);
		break;
	case SECTIONS_HRTIMER:
		hrtimer_start(&job->hrtimer, ns_to_ktime(50 * NSEC_PER_USEC), HRTIMER_MODE_REL_SOFT);
		break;
	case SECTIONS_IRQ_WORK:
		queue_irq_work(job);
		break;
	case SECTIONS_WORK:
		schedule_work(&job->work);
		break;
	case SECTIONS_HARDTIMER:
		preempt_disable();
		hrtimer_start(&job->hrtimer, ns_to_ktime(50 * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED_HARD);
		spin(job);
		preempt_enable();
		return;
	case SECTIONS_HARDIRQ:
		preempt_disable();
		queue_irq_work(job);
		spin(job);
		preempt_enable();
		return;
	case SECTIONS_BH_OFF:
		local_bh_disable();
		run_ops(run, level, from, to);
		local_bh_enable();
		return;
	case SECTIONS_PREEMPT_OFF:
		preempt_disable();
		run_ops(run, level, from, to);
		preempt_enable();
		return;
	case SECTIONS_IRQ_OFF:
		local_irq_save(flags);
		run_ops(run, level, from, to);
		local_irq_restore(flags);
		return;
	default:
		return;
	}
	wait_for_completion(&job->completion);
}

static void run_ops(struct run *run, enum sections_level level, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to; i++) {
		const struct sections_op *op = &run->ops[i];

		switch (op->what) {
		case SECTIONS_CALL:
		case SECTIONS_CALL_EPOCH:
			call(run, level, op);
			break;
		case SECTIONS_START:
			start(run, op);
			break;
		case SECTIONS_STOP:
			covbuf_remote_stop();
			break;
		case SECTIONS_IN:
			run_in(run, op->fn, i + 1, i + 1 + op->n);
			i += op->n;
			break;
		case SECTIONS_SLEEP:
			usleep_range(op->n, op->n + 100);
			break;
		}
	}
}

/* Each operation is one, and is allowed at its level. */
static bool ops_ok(const struct sections_op *ops, enum sections_level level, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to; i++) {
		const struct sections_op *op = &ops[i];

		switch (op->what) {
		case SECTIONS_CALL:
		case SECTIONS_CALL_EPOCH:
			if (op->fn >= SECTIONS_NR_FNS - (op->what == SECTIONS_CALL ? 0 : 2) ||
			    op->account >= SECTIONS_NR_ACCOUNTS || op->n > 1000000 || op->pause_us > 1000)
				return false;
			break;
		case SECTIONS_START:
			if (op->account >= SECTIONS_NR_PHASES)
				return false;
			break;
		case SECTIONS_IN:
			if (op->fn >= SECTIONS_NR_LEVELS || op->n > to - i - 1 || !(inside[level] & 1u << op->fn) ||
			    !ops_ok(ops, op->fn, i + 1, i + 1 + op->n))
				return false;
			i += op->n;
			break;
		case SECTIONS_SLEEP:
			if (level != SECTIONS_TASK && level != SECTIONS_WORK)
				return false;
			break;
		case SECTIONS_STOP:
		case SECTIONS_OUT:
			break;
		default:
			return false;
		}
	}
	return true;
}

static struct run *create_run(const struct sections_op *ops, u8 *seen)
{
	struct run *run = kzalloc(sizeof(*run), GFP_KERNEL);
	int i;

	if (!run)
		return NULL;
	run->ops = ops;
	run->task = current;
	run->seen = seen;
	run->common_handle = covbuf_common_handle();
	for (i = 0; i < SECTIONS_NR_LEVELS; i++) {
		run->jobs[i].run = run;
		init_completion(&run->jobs[i].completion);
	}
	tasklet_setup(&run->jobs[SECTIONS_BH].tasklet, on_tasklet);
	tasklet_setup(&run->jobs[SECTIONS_TASKLET].tasklet, on_tasklet);
	timer_setup(&run->jobs[SECTIONS_TIMER].timer, on_timer, TIMER_PINNED);
	hrtimer_init(&run->jobs[SECTIONS_HRTIMER].hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	run->jobs[SECTIONS_HRTIMER].hrtimer.function = on_hrtimer;
	hrtimer_init(&run->jobs[SECTIONS_HARDTIMER].hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	run->jobs[SECTIONS_HARDTIMER].hrtimer.function = on_hrtimer;
	init_irq_work(&run->jobs[SECTIONS_IRQ_WORK].irq_work, on_irq_work);
	run->jobs[SECTIONS_HARDIRQ].irq_work = IRQ_WORK_INIT_HARD(on_irq_work);
	INIT_WORK(&run->jobs[SECTIONS_WORK].work, on_work);
	return run;
}

/* What arrived may still be on its way out. */
static void leave(struct job *job, enum sections_level level)
{
	switch (level) {
	case SECTIONS_BH:
	case SECTIONS_TASKLET:
		tasklet_kill(&job->tasklet);
		break;
	case SECTIONS_TIMER:
		del_timer_sync(&job->timer);
		break;
	case SECTIONS_HRTIMER:
	case SECTIONS_HARDTIMER:
		hrtimer_cancel(&job->hrtimer);
		break;
	case SECTIONS_IRQ_WORK:
	case SECTIONS_HARDIRQ:
		irq_work_sync(&job->irq_work);
		break;
	case SECTIONS_WORK:
		flush_work(&job->work);
		break;
	default:
		break;
	}
}

static void destroy_run(struct run *run)
{
	int i;

	for (i = 0; i < SECTIONS_NR_LEVELS; i++)
		if (run->jobs[i].asked)
			leave(&run->jobs[i], i);
	kfree(run);
}

static int run_script(struct sections_run *arg)
{
	struct sections_op *ops;
	struct run *run;
	int err = 0;

	if (arg->nr_ops > SECTIONS_MAX_OPS)
		return -E2BIG;
	memset(arg->seen, 0, sizeof(arg->seen));
	ops = memdup_user(u64_to_user_ptr(arg->ops), arg->nr_ops * sizeof(*ops));
	if (IS_ERR(ops))
		return PTR_ERR(ops);
	if (!ops_ok(ops, SECTIONS_TASK, 0, arg->nr_ops)) {
		err = -EINVAL;
		goto free_ops;
	}
	run = create_run(ops, arg->seen);
	if (!run) {
		err = -ENOMEM;
		goto free_ops;
	}
	run_ops(run, SECTIONS_TASK, 0, arg->nr_ops);
	destroy_run(run);
free_ops:
	kfree(ops);
	return err;
}

/* ---- the probe ------------------------------------------------------------------------------- */

/*
 * Runs after covbuf's, if that is registered first: then the switch has been announced, and has not happened yet.
 *
 * What an open file has the probe do. Entries are not freed while the module is there, so the probe needs no lock.
 */
struct probe {
	const struct task_struct *task;
	u32 fn;
};

#define NR_PROBES 64
static struct probe probes[NR_PROBES];
static DEFINE_MUTEX(probes_lock);
static bool probing;
static struct tracepoint *sched_switch;

static notrace void on_switch(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			      unsigned int prev_state)
{
	int i;

	for (i = 0; i < NR_PROBES; i++)
		if (READ_ONCE(probes[i].task) == prev)
			sections_fns[READ_ONCE(probes[i].fn)](0);
}

static void find_switch(struct tracepoint *tracepoint, void *data)
{
	if (!strcmp(tracepoint->name, "sched_switch"))
		sched_switch = tracepoint;
}

static int probe_me(struct file *file, unsigned long fn)
{
	struct probe *probe = NULL;
	int err = 0, i;

	if (fn >= SECTIONS_NR_FNS)
		return -EINVAL;
	mutex_lock(&probes_lock);
	if (!probing) {
		err = tracepoint_probe_register_prio(sched_switch, on_switch, NULL, INT_MIN);
		probing = !err;
	}
	for (i = 0; i < NR_PROBES && !err && !probe; i++)
		if (!probes[i].task)
			probe = &probes[i];
	if (!err && (!probe || file->private_data))
		err = -EBUSY;
	if (!err) {
		WRITE_ONCE(probe->fn, fn);
		smp_store_release(&probe->task, current);
		file->private_data = probe;
	}
	mutex_unlock(&probes_lock);
	return err;
}

/* ---- the device ------------------------------------------------------------------------------ */

static void get_info(struct sections_info *info)
{
	int i;

	for (i = 0; i < SECTIONS_NR_FNS; i++)
		info->fns[i] = (unsigned long)sections_fns[i];
	for (i = 0; i < SECTIONS_NR_ACCOUNTS; i++)
		info->emitted[i] = atomic64_read(&emitted[i]);
}

static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct sections_info info;
	struct sections_phase phase;
	struct sections_run run;
	int err;

	switch (cmd) {
	case SECTIONS_RUN:
		if (copy_from_user(&run, user, sizeof(run)))
			return -EFAULT;
		err = run_script(&run);
		if (err)
			return err;
		return copy_to_user(user, &run, sizeof(run)) ? -EFAULT : 0;
	case SECTIONS_INFO:
		get_info(&info);
		return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
	case SECTIONS_PHASE:
		if (copy_from_user(&phase, user, sizeof(phase)))
			return -EFAULT;
		if (!phase.phase || phase.phase >= SECTIONS_NR_PHASES)
			return -EINVAL;
		smp_mb();
		WRITE_ONCE(epochs[phase.phase], phase.epoch);
		smp_mb();
		return 0;
	case SECTIONS_PROBE:
		return probe_me(file, arg);
	}
	return -ENOTTY;
}

/* misc_open() leaves the device there. */
static int open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return 0;
}

static int release(struct inode *inode, struct file *file)
{
	struct probe *probe = file->private_data;

	if (probe)
		WRITE_ONCE(probe->task, NULL);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = open,
	.release = release,
	.unlocked_ioctl = ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &fops,
	.mode = 0600,
};

static int __init sections_init(void)
{
	for_each_kernel_tracepoint(find_switch, NULL);
	return sched_switch ? misc_register(&device) : -ENOENT;
}

static void __exit sections_exit(void)
{
	misc_deregister(&device);
	if (probing) {
		tracepoint_probe_unregister(sched_switch, on_switch, NULL);
		tracepoint_synchronize_unregister();
	}
}

module_init(sections_init);
module_exit(sections_exit);
MODULE_DESCRIPTION("covbuf test: scripts of calls and sections, at all levels");
MODULE_LICENSE("Dual BSD/GPL");
