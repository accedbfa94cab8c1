/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Contexts of tasks, without a field in task_struct.
 *
 * A task gets one when it first enables an owner, starts a section, or inherits a common handle. They are
 * hashed by task, in an array that lives as long as the module, so one that is looked at too late is an old
 * one, not freed memory. While anybody collects, a per-CPU pointer follows the running task at each
 * sched_switch. The tracepoint comes before the switch, while current is still the previous task; so
 * whoever uses the pointer compares its task with current.
 *
 * Softirqs run on the task that they interrupted, or, on PREEMPT_RT, in whichever task serves them, and are
 * preempted and woken with it. Either way what they push, they pop before that task goes on, so its context
 * is theirs too, and the level tells the two apart.
 */
#ifndef COVB_PLATFORM_KERNEL_TASK_H
#define COVB_PLATFORM_KERNEL_TASK_H

#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include <covbuf/context.h>

struct covb_kcov;

struct covb_task {
	struct task_struct *task;
	struct covbuf_context ctx;
	struct covb_kcov *local, *remote; /* enabled by this task; see adapters/kmod/device.c. Its own, or under that one's lock */
	uint32_t busy;			  /* 0: free. CAS acquire to take, release after a grace period */
	uint32_t borrowed;		  /* 1 + the level that took it for a task that was ending already: no probe will come for it; else 0 */
	struct hlist_node node;
	struct rcu_head rcu;
} ____cacheline_aligned;

/* Of the task that runs on this CPU; or of none, whose cursors are shut. */
DECLARE_PER_CPU(struct covb_task *, covb_running);

/*
 * The level as the preempt count has it: 0 in a task, SOFTIRQ_OFFSET while a softirq is served, and more
 * bits in an interrupt; those of preemption, which not every kernel counts, are none of it. PREEMPT_RT
 * counts softirqs in the task.
 */
COVBUF_INLINE uint32_t covb_level_now(void)
{
#ifdef CONFIG_PREEMPT_RT
	return (preempt_count() & (NMI_MASK | HARDIRQ_MASK)) | (softirq_count() & SOFTIRQ_OFFSET);
#else
	return preempt_count() & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET);
#endif
}

COVBUF_INLINE bool covb_level_collects(uint32_t level)
{
	return !(level & ~SOFTIRQ_OFFSET);
}

/*
 * A task and a level in one word, for hooks to compare at once. The level's bits, 8 and 16 to 23, come to lie
 * on 48 and 56 to 63: there a pointer to a task has constant bits, but for the lowest, by which two tasks
 * would have to lie 256 TiB apart.
 */
COVBUF_INLINE uint64_t covb_collects(uint32_t level)
{
	return (uint64_t)level << 40 ^ (uintptr_t)current;
}

/*
 * covb_task_find() - the context of current, or NULL
 * covb_task_get() - the same, made where there is none; NULL: no room, counted
 * Context: task, softirq.
 */
struct covb_task *covb_task_look_up(void);
struct covb_task *covb_task_make(void);

/* Under rcu_read_lock(). */
COVBUF_INLINE struct covb_task *covb_task_find_rcu(void)
{
	struct covb_task *task = this_cpu_read(covb_running);

	return likely(READ_ONCE(task->task) == current) ? task : covb_task_look_up();
}

COVBUF_INLINE struct covb_task *covb_task_find(void)
{
	struct covb_task *task;

	rcu_read_lock();
	task = covb_task_find_rcu();
	rcu_read_unlock();
	return task;
}

COVBUF_INLINE struct covb_task *covb_task_get(void)
{
	struct covb_task *task = this_cpu_read(covb_running);

	return likely(READ_ONCE(task->task) == current) ? task : covb_task_make();
}

/* A section has ended, or did not start: a context that no exit probe will come for is dropped. True: it was. */
bool covb_task_left(struct covb_task *task);

/*
 * covb_collecting_get() - have the per-CPU pointers kept and the hooks on, until covb_collecting_put()
 *
 * The first one patches code and registers a probe; a second after the last put, if no section is open
 * then, both are undone. In between a pair costs a mutex.
 * Context: may sleep. Errors: what registering a probe gives.
 */
int covb_collecting_get(void);
void covb_collecting_put(void);

DECLARE_STATIC_KEY_FALSE(covb_collecting);

/*
 * Which hooks are on while anybody collects: the plain ones, or, between covb_special_get() and _put(), those
 * that also look at which sites are wanted. As with covb_collecting_put(), the last put patches nothing at
 * once. Context: may sleep; patches code.
 */
void covb_special_get(void);
void covb_special_put(void);

DECLARE_STATIC_KEY_FALSE(covb_hooks_plain);
DECLARE_STATIC_KEY_FALSE(covb_hooks_special);

/*
 * Room for nr tasks; the probes. gone: called by the exit probe, preemption off, with what the task has
 * enabled. fini: no file is open, no hook or section runs. Context: may sleep.
 */
int covb_tasks_init(uint32_t nr, void (*gone)(struct covb_kcov *kcov));
void covb_tasks_stop(void);
void covb_tasks_fini(void);

uint32_t covb_tasks_count(void);

#endif
