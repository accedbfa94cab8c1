// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Contexts of tasks: the table, the per-CPU pointer, and the probes that keep them. See task.h.
 *
 * Probes run with preemption off, and what runs under them, softirqs of the same task included, may be
 * anything that is instrumented: raw locks, an array, call_rcu() and a work item, nothing that allocates
 * or sleeps.
 */
#include <linux/hash.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/tracepoint.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "../../core/engine.h"
#include "kernel.h"

#define HASH_BITS 12

static struct covb_task covb_nobody;
DEFINE_PER_CPU(struct covb_task *, covb_running); /* never NULL: see forget_running() */
DEFINE_STATIC_KEY_FALSE(covb_collecting);
DEFINE_STATIC_KEY_FALSE(covb_hooks_plain);
DEFINE_STATIC_KEY_FALSE(covb_hooks_special);

static struct hlist_head buckets[1 << HASH_BITS];
static DEFINE_RAW_SPINLOCK(buckets_lock); /* changes; readers are under RCU */
static struct covb_task *tasks;
static uint32_t nr_tasks;
static atomic_t nr_busy;
static void (*tell_gone)(struct covb_kcov *kcov);

/* ---- the table ------------------------------------------------------------------------------- */

static __always_inline struct hlist_head *bucket_of(const struct task_struct *task)
{
	return &buckets[hash_ptr((void *)task, HASH_BITS)];
}

/* Under RCU, or with interrupts off. */
static notrace struct covb_task *lookup(const struct task_struct *of)
{
	struct covb_task *task;

	hlist_for_each_entry_rcu_notrace(task, bucket_of(of), node)
		if (READ_ONCE(task->task) == of)
			return task;
	return NULL;
}

/* A free one for a task that has none, hashed. NULL: there is none. Interrupts off. */
static struct covb_task *take(struct task_struct *of, uint64_t common_handle)
{
	uint32_t first = hash_ptr(of, 32);

	if ((uint32_t)atomic_read(&nr_busy) >= nr_tasks)
		goto none;
	for (uint32_t i = 0; i < nr_tasks; i++) {
		struct covb_task *task = &tasks[(first + i) % nr_tasks];
		uint32_t is_free = 0;

		/* acquire: partner is the release in freed(); nobody still looks at its last user's */
		if (READ_ONCE(task->busy) || !try_cmpxchg_acquire(&task->busy, &is_free, 1))
			continue;
		memset(&task->ctx, 0, sizeof(task->ctx));
		covb_context_shut(&task->ctx);
		task->ctx.common_handle = common_handle;
		task->local = NULL;
		task->remote = NULL;
		task->borrowed = of->flags & PF_EXITING ? 1 + covb_level_now() : 0;
		WRITE_ONCE(task->task, of);
		raw_spin_lock(&buckets_lock);
		hlist_add_head_rcu(&task->node, bucket_of(of));
		raw_spin_unlock(&buckets_lock);
		atomic_inc(&nr_busy);
		return task;
	}
none:
	covb_fetch_add(covb_engine.lost_contexts, 1);
	return NULL;
}

static void freed(struct rcu_head *head)
{
	struct covb_task *task = container_of(head, struct covb_task, rcu);

	atomic_dec(&nr_busy);
	/* release: partner is the acquire in take() */
	smp_store_release(&task->busy, 0);
}

static bool is_idle(const struct covb_task *task)
{
	return !covb_load(&task->ctx.top) && !task->local && !task->remote && !covb_load(&task->ctx.common_handle);
}

/* Nobody finds it any more. False: it was so before, and is another's to free; or it is not idle. */
static bool unhash(struct covb_task *task, bool if_idle)
{
	unsigned long flags;
	bool ours;

	raw_spin_lock_irqsave(&buckets_lock, flags);
	ours = task->task && !(if_idle && !is_idle(task));
	if (ours) {
		if (this_cpu_read(covb_running) == task)
			this_cpu_write(covb_running, &covb_nobody);
		hlist_del_rcu(&task->node);
		WRITE_ONCE(task->task, NULL); /* its address may soon be another's */
	}
	raw_spin_unlock_irqrestore(&buckets_lock, flags);
	return ours;
}

/* What it has is handed over. By its own task, or, if it is idle, while no section can start. */
static void drop(struct covb_task *task, bool if_idle)
{
	if (!unhash(task, if_idle))
		return;
	covb_context_close(&task->ctx);
	if (task->local)
		tell_gone(task->local);
	if (task->remote)
		tell_gone(task->remote);
	call_rcu(&task->rcu, freed);
}

/* Softirqs leave contexts behind on whatever task they ran. */
static void drop_idle(void)
{
	for (uint32_t i = 0; i < nr_tasks; i++)
		if (READ_ONCE(tasks[i].task))
			drop(&tasks[i], true);
}

struct covb_task *covb_task_look_up(void)
{
	return lookup(current);
}

struct covb_task *covb_task_make(void)
{
	struct covb_task *task;
	unsigned long flags;

	local_irq_save(flags); /* a softirq of this task may look for it, too */
	task = lookup(current);
	if (!task)
		task = take(current, 0);
	/*
	 * It may have been switched in before the probe was there. Never while there is none: the pointer would
	 * outlive the task's stay on this CPU.
	 */
	if (task && static_branch_unlikely(&covb_collecting))
		this_cpu_write(covb_running, task);
	local_irq_restore(flags);
	return task;
}

bool covb_task_left(struct covb_task *task)
{
	/* of the level that took it: a softirq may come here while its task is on the way to a section, or from it */
	if (likely(!task->borrowed) || task->borrowed != 1 + covb_level_now() || covb_load(&task->ctx.top))
		return false;
	drop(task, false);
	return true;
}

uint32_t covb_tasks_count(void)
{
	return atomic_read(&nr_busy);
}

/* ---- probes ---------------------------------------------------------------------------------- */

static notrace void on_switch(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			      unsigned int prev_state)
{
	struct covb_task *task = lookup(next);

	if (!task)
		task = &covb_nobody;
	this_cpu_write(covb_running, task);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
static void on_exit(void *data, struct task_struct *of, bool group_dead)
#else
static void on_exit(void *data, struct task_struct *of)
#endif
{
	struct covb_task *task;

	rcu_read_lock(); /* as a stop: what it hands over is an owner's */
	task = lookup(of);
	if (task)
		drop(task, false);
	rcu_read_unlock();
}

/* The child does not run yet. */
static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct covb_task *from, *stale;
	unsigned long flags;
	uint64_t handle;

	rcu_read_lock();
	stale = lookup(child); /* a task that was there before left a section open after its exit probe */
	if (stale)
		drop(stale, false);
	from = lookup(parent);
	handle = from ? covb_load(&from->ctx.common_handle) : 0;
	rcu_read_unlock();
	if (!handle)
		return;
	local_irq_save(flags);
	take(child, handle);
	local_irq_restore(flags);
}

static struct probe {
	const char *name;
	void *fn;
	struct tracepoint *tracepoint;
	bool registered;
} switch_probe = { "sched_switch", on_switch },
  exit_probe = { "sched_process_exit", on_exit },
  fork_probe = { "sched_process_fork", on_fork };

static void match_tracepoint(struct tracepoint *tracepoint, void *arg)
{
	struct probe *probe = arg;

	if (!strcmp(tracepoint->name, probe->name))
		probe->tracepoint = tracepoint;
}

static int find_tracepoint(struct probe *probe)
{
	for_each_kernel_tracepoint(match_tracepoint, probe);
	if (probe->tracepoint)
		return 0;
	pr_err("this kernel has no tracepoint %s, by which tasks are followed; it needs CONFIG_TRACEPOINTS\n",
	       probe->name);
	return -ENOENT;
}

static int probe_register(struct probe *probe)
{
	/* last: what other probes of the switch do is still the previous task's */
	int err = tracepoint_probe_register_prio(probe->tracepoint, probe->fn, NULL, INT_MIN);

	probe->registered = !err;
	return err;
}

static void probe_unregister(struct probe *probe)
{
	if (probe->registered)
		tracepoint_probe_unregister(probe->tracepoint, probe->fn, NULL);
	probe->registered = false;
}

/* ---- on and off ------------------------------------------------------------------------------ */

#define OFF_AFTER HZ

static struct workqueue_struct *queue;

static DEFINE_MUTEX(collecting_lock);
static uint32_t nr_collecting, nr_special;
static void turn_off_later(struct work_struct *work);
static DECLARE_DELAYED_WORK(off_work, turn_off_later);

/* The one that is wanted first: while both are on the plain ones run, as if nothing had been asked for yet. */
static void set_hooks(bool on)
{
	lockdep_assert_held(&collecting_lock);
	if (on && nr_special) {
		static_branch_enable(&covb_hooks_special);
		static_branch_disable(&covb_hooks_plain);
	} else if (on) {
		static_branch_enable(&covb_hooks_plain);
		static_branch_disable(&covb_hooks_special);
	} else {
		static_branch_disable(&covb_hooks_plain);
		static_branch_disable(&covb_hooks_special);
	}
}

void covb_special_get(void)
{
	mutex_lock(&collecting_lock);
	nr_special++;
	set_hooks(static_key_enabled(&covb_collecting));
	mutex_unlock(&collecting_lock);
}

void covb_special_put(void)
{
	mutex_lock(&collecting_lock);
	if (!--nr_special)
		mod_delayed_work(queue, &off_work, OFF_AFTER);
	mutex_unlock(&collecting_lock);
}

static int turn_on(void)
{
	int err;

	if (switch_probe.registered)
		return 0;
	err = probe_register(&switch_probe);
	if (err)
		return err;
	static_branch_enable(&covb_collecting);
	set_hooks(true);
	return 0;
}

/* A module's per-CPU data is not relocated, so an initialiser could not name covb_nobody. */
static void forget_running(void)
{
	int cpu;

	covb_context_shut(&covb_nobody.ctx);
	for_each_possible_cpu(cpu)
		WRITE_ONCE(*per_cpu_ptr(&covb_running, cpu), &covb_nobody);
}

static void turn_off(void)
{
	if (!switch_probe.registered)
		return;
	set_hooks(false);
	static_branch_disable(&covb_collecting);
	probe_unregister(&switch_probe);
	tracepoint_synchronize_unregister(); /* also for covb_task_get(), which has interrupts off */
	forget_running();
	drop_idle();
}

int covb_collecting_get(void)
{
	int err;

	mutex_lock(&collecting_lock);
	err = turn_on();
	if (!err)
		nr_collecting++;
	mutex_unlock(&collecting_lock);
	return err;
}

void covb_collecting_put(void)
{
	mutex_lock(&collecting_lock);
	if (!--nr_collecting)
		mod_delayed_work(queue, &off_work, OFF_AFTER);
	mutex_unlock(&collecting_lock);
}

/*
 * While a section is open its stop must look at what it stops, and stops look at nothing while the key is
 * off. No owner is enabled, so no section starts but one that found its owner before; the grace period
 * waits for that.
 */
static void turn_off_later(struct work_struct *work)
{
	mutex_lock(&collecting_lock);
	if (!nr_collecting && switch_probe.registered) {
		synchronize_rcu();
		if (covb_sections_open())
			mod_delayed_work(queue, &off_work, OFF_AFTER);
		else
			turn_off();
	}
	set_hooks(switch_probe.registered);
	mutex_unlock(&collecting_lock);
}

/* ---- with the module ------------------------------------------------------------------------- */

int covb_tasks_init(uint32_t nr, void (*gone)(struct covb_kcov *kcov))
{
	int err;

	tasks = vzalloc(array_size(nr, sizeof(*tasks)));
	if (!tasks)
		return -ENOMEM;
	queue = alloc_workqueue("covbuf_off", 0, 1);
	if (!queue) {
		vfree(tasks);
		tasks = NULL;
		return -ENOMEM;
	}
	nr_tasks = nr;
	tell_gone = gone;
	forget_running();
	err = find_tracepoint(&switch_probe);
	if (!err)
		err = find_tracepoint(&exit_probe);
	if (!err)
		err = find_tracepoint(&fork_probe);
	if (!err)
		err = probe_register(&exit_probe);
	if (!err)
		err = probe_register(&fork_probe);
	if (err) {
		covb_tasks_stop();
		covb_tasks_fini();
	}
	return err;
}

void covb_tasks_stop(void)
{
	cancel_delayed_work_sync(&off_work);
	destroy_workqueue(queue);
	mutex_lock(&collecting_lock);
	turn_off();
	mutex_unlock(&collecting_lock);
	probe_unregister(&exit_probe);
	probe_unregister(&fork_probe);
	tracepoint_synchronize_unregister();
}

void covb_tasks_fini(void)
{
	for (uint32_t i = 0; i < nr_tasks; i++)
		if (tasks[i].busy && tasks[i].task)
			hlist_del_rcu(&tasks[i].node); /* a task that lives on */
	synchronize_rcu();
	rcu_barrier();		 /* freed() */
	synchronize_rcu_tasks(); /* a hook that was preempted, of a module that has gone meanwhile */
	vfree(tasks);
	tasks = NULL;
	nr_tasks = 0;
}
