// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * KCOV's device: what its clients open, map and control. Two files, one ABI: debugfs kcov, where every
 * client looks, and /dev/covbuf, which a locked down kernel leaves alone.
 *
 * The rules and their order are those of kernel/kcov.c; docs/kcov-abi.md has them, and where this differs.
 *
 * An object lives as long as its file is open or a task has it enabled. Everything that may sleep happens
 * under one mutex. A task that exits while it has an object enabled cannot take that: its exit probe ends
 * the enable, and leaves the rest to whoever comes first, the next ioctl of anybody's or a work item.
 *
 * User memory is read before the mutex is taken, because mmap() comes with the address space locked.
 */
#include <linux/compat.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kcov.h>
#include <linux/llist.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "kmod.h"

/* As proposed for Linux. */
#ifndef KCOV_UNIQUE_ENABLE
#define KCOV_UNIQUE_ENABLE _IOW('c', 103, unsigned long)
#define KCOV_RESET_TRACE _IO('c', 104)
#endif

struct covb_kcov {
	refcount_t refs;		/* the file, and the task that it is enabled for */
	struct covbuf_owner *owner;	/* NULL before INIT_TRACE; release */
	unsigned long nr_words;
	/* under devices_lock: */
	struct covb_task *task;		/* that it is enabled for; NULL: not enabled */
	bool is_unique;			/* has asked for the special hooks */
	struct list_head enabled;
	struct llist_node gone;
	bool is_gone;			/* its task is; relaxed, by the exit probe */
};

static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(enabled);
static uint32_t nr_enabled;
static atomic_t nr_owners;
static LLIST_HEAD(gone);
static struct workqueue_struct *reaper;
static void reap(struct work_struct *work);
static DECLARE_WORK(reap_work, reap);

static void kcov_get(struct covb_kcov *kcov)
{
	refcount_inc(&kcov->refs);
}

static void kcov_put(struct covb_kcov *kcov)
{
	if (!refcount_dec_and_test(&kcov->refs))
		return;
	if (kcov->owner) {
		covb_merge_wait(kcov->owner); /* rather here than under the engine's lock */
		covbuf_owner_put(kcov->owner);
		atomic_dec(&nr_owners);
	}
	if (kcov->is_unique)
		covb_special_put();
	kfree(kcov);
}

/* ---- enabled, and not ------------------------------------------------------------------------ */

/* The file may be closed before the task disables it or exits. */
static void note_enabled(struct covb_kcov *kcov, struct covb_task *task)
{
	kcov_get(kcov);
	__module_get(THIS_MODULE);
	kcov->task = task;
	kcov->is_gone = false;
	list_add(&kcov->enabled, &enabled);
	nr_enabled++;
}

static void note_disabled(struct covb_kcov *kcov)
{
	nr_enabled--;
	list_del(&kcov->enabled);
	kcov->task = NULL;
	covb_collecting_put();
	kcov_put(kcov);
	module_put(THIS_MODULE);
}

/* The exit probe's, preemption off. */
void covb_kcov_task_gone(struct covb_kcov *kcov)
{
	covb_owner_cut(kcov->owner);
	WRITE_ONCE(kcov->is_gone, true);
	if (llist_add(&kcov->gone, &gone))
		queue_work(reaper, &reap_work);
}

/*
 * Until nothing of its area changes any more. A merger may be a task that others keep from running, so not
 * under the lock; the object still counts as enabled meanwhile.
 */
static void wait_for_merge(struct covb_kcov *kcov)
{
	mutex_unlock(&devices_lock);
	covb_merge_wait(kcov->owner);
	mutex_lock(&devices_lock);
}

static void reap_locked(void)
{
	struct covb_kcov *kcov, *next;

	llist_for_each_entry_safe(kcov, next, llist_del_all(&gone), gone) {
		covb_owner_settle(kcov->owner);
		wait_for_merge(kcov);
		note_disabled(kcov);
	}
}

static void reap(struct work_struct *work)
{
	mutex_lock(&devices_lock);
	reap_locked();
	mutex_unlock(&devices_lock);
}

static bool is_exiting(const struct covb_kcov *kcov)
{
	struct task_struct *task;
	bool exiting;

	if (READ_ONCE(kcov->is_gone))
		return true;
	rcu_read_lock();
	task = READ_ONCE(kcov->task->task);
	exiting = !task || READ_ONCE(task->flags) & PF_EXITING;
	rcu_read_unlock();
	return exiting;
}

static bool any_exiting(void)
{
	const struct covb_kcov *kcov;

	list_for_each_entry(kcov, &enabled, enabled)
		if (is_exiting(kcov))
			return true;
	return false;
}

/*
 * KCOV ends an enable at the top of a task's exit; we hear of it after its joiner was woken, who may enable
 * the same object at once. True: an exit was waited for, look again.
 */
static bool waited_for_exit(ktime_t until)
{
	if (!any_exiting() || ktime_after(ktime_get(), until) || fatal_signal_pending(current))
		return false;
	mutex_unlock(&devices_lock);
	usleep_range(50, 200);
	mutex_lock(&devices_lock);
	return true;
}

#define EXIT_LIMIT_MS 1000

/* ---- what the ioctls do ---------------------------------------------------------------------- */

struct request {
	bool remote, unique;
	unsigned int trace;
	unsigned long seen_words;
	const struct kcov_remote_arg *arg; /* remote */
};

/* Without the lock: the area may be large, and is zeroed. */
static long init_trace(struct covb_kcov *kcov, unsigned long nr_words)
{
	const struct covbuf_owner_options options = {
		.kind = COVBUF_COUNTED, .area_class = covb_pool_class(), .flags = COVBUF_OWNER_KCOV,
		.target_words = nr_words, .name = current->comm,
	};
	struct covbuf_owner *owner;
	int err;

	if (nr_words < 2 || nr_words > INT_MAX / sizeof(unsigned long))
		return -EINVAL;
	if (smp_load_acquire(&kcov->owner))
		return -EBUSY;
	err = covbuf_owner_create(&options, &owner);
	if (err == -ENOSPC) {
		rcu_barrier(); /* owners that were closed just now */
		err = covbuf_owner_create(&options, &owner);
	}
	if (err == -ENOSPC) {
		pr_warn_ratelimited("all %u owners are in use; load with owners=N for more\n", covb_engine.nr_owners);
		err = -ENOMEM;
	}
	if (err)
		return err;
	mutex_lock(&devices_lock);
	if (kcov->owner)
		err = -EBUSY;
	else
		kcov->nr_words = nr_words;
	/* release: partner is the acquire in kcov_mmap(); the size is there */
	if (!err)
		smp_store_release(&kcov->owner, owner);
	mutex_unlock(&devices_lock);
	if (err)
		covbuf_owner_put(owner);
	else
		atomic_inc(&nr_owners);
	return err;
}

static bool handle_ok(u64 handle, bool common)
{
	if (handle & ~(KCOV_SUBSYSTEM_MASK | KCOV_INSTANCE_MASK))
		return false;
	if (common)
		return (handle & KCOV_SUBSYSTEM_MASK) == KCOV_SUBSYSTEM_COMMON && (handle & KCOV_INSTANCE_MASK);
	return (handle & KCOV_SUBSYSTEM_MASK) == KCOV_SUBSYSTEM_USB;
}

static bool is_taken(const struct kcov_remote_arg *arg, u32 i)
{
	u64 handle = i < arg->num_handles ? arg->handles[i] : arg->common_handle;
	u32 generation;

	for (u32 k = 0; k < i && k < arg->num_handles; k++)
		if (arg->handles[k] == handle)
			return true;
	return covb_handle_find(handle, &generation);
}

/* One after the other, as KCOV does: of a malformed and a taken one, the first decides. */
static int check_handles(const struct kcov_remote_arg *arg)
{
	for (u32 i = 0; i < arg->num_handles + !!arg->common_handle; i++) {
		bool common = i == arg->num_handles;

		if (!handle_ok(common ? arg->common_handle : arg->handles[i], common))
			return -EINVAL;
		if (is_taken(arg, i))
			return -EEXIST;
	}
	return 0;
}

static int check_request(const struct covb_kcov *kcov, const struct covb_task *task, const struct request *request)
{
	if (!kcov->owner || kcov->task)
		return -EINVAL;
	if (task && (request->remote ? task->remote : task->local))
		return -EBUSY;
	if (request->unique && (!request->seen_words || request->seen_words >= kcov->nr_words - 1))
		return -EINVAL;
	if (request->trace != KCOV_TRACE_PC && request->trace != KCOV_TRACE_CMP)
		return -EINVAL;
	return request->remote ? check_handles(request->arg) : 0;
}

/* The owner's part. Collecting is on. */
static int start(struct covb_kcov *kcov, const struct request *request)
{
	const struct covb_enable enable = {
		.mode = request->trace == KCOV_TRACE_CMP ? COVBUF_MODE_CMP : COVBUF_MODE_PC,
		.area_class = covb_pool_class(),
		.seen_words = request->seen_words,
		.section_words = request->remote ? request->arg->area_size : 0,
	};
	int err = covb_owner_configure(kcov->owner, &enable);

	if (err)
		return err;
	if (request->remote)
		err = covbuf_remote_enable(kcov->owner, request->arg->handles, request->arg->num_handles,
					   request->arg->common_handle);
	else
		err = covbuf_enable(kcov->owner);
	return err == -ESHUTDOWN ? -ENOMEM : err; /* no room for the task's context */
}

static int try_enable(struct covb_kcov *kcov, const struct request *request)
{
	struct covb_task *task;
	int err;

	reap_locked();
	err = check_request(kcov, covb_task_find(), request);
	if (!err)
		err = covb_collecting_get();
	if (err)
		return err;
	task = covb_task_get(); /* from here on it stays, and is followed from CPU to CPU */
	if (!task) {
		rcu_barrier(); /* those of tasks that exited just now */
		task = covb_task_get();
	}
	if (!task) {
		pr_warn_ratelimited("all contexts are in use; load with contexts=N for more\n");
		covb_collecting_put();
		return -ENOMEM;
	}
	if (request->unique && !kcov->is_unique) {
		covb_special_get();
		kcov->is_unique = true;
	}
	err = start(kcov, request);
	if (err) {
		covb_collecting_put();
		return err;
	}
	note_enabled(kcov, task);
	if (request->remote)
		task->remote = kcov;
	else
		task->local = kcov;
	return 0;
}

static long enable(struct covb_kcov *kcov, const struct request *request)
{
	ktime_t until = ktime_add_ms(ktime_get(), EXIT_LIMIT_MS);
	int err;

	do
		err = try_enable(kcov, request);
	while ((err == -EEXIST || (err == -EINVAL && kcov->task)) && waited_for_exit(until));
	return err;
}

/* Current's context, if it has the object enabled. */
static struct covb_task *enabled_here(const struct covb_kcov *kcov)
{
	struct covb_task *task = covb_task_find();

	return task && (task->local == kcov || task->remote == kcov) ? task : NULL;
}

static long disable(struct covb_kcov *kcov, unsigned long unused)
{
	struct covb_task *task = enabled_here(kcov);
	int err;

	if (unused || !task)
		return -EINVAL;
	err = covbuf_disable(kcov->owner);
	if (err)
		return err;
	wait_for_merge(kcov);
	if (task->local == kcov)
		task->local = NULL;
	else
		task->remote = NULL;
	note_disabled(kcov);
	return 0;
}

static long reset_trace(struct covb_kcov *kcov, unsigned long unused)
{
	if (unused || !enabled_here(kcov))
		return -EINVAL;
	return covbuf_reset(kcov->owner);
}

static long ioctl_locked(struct covb_kcov *kcov, unsigned int cmd, unsigned long arg,
			 const struct kcov_remote_arg *remote)
{
	switch (cmd) {
	case KCOV_ENABLE:
		return enable(kcov, &(struct request){ .trace = arg > UINT_MAX ? UINT_MAX : arg });
	case KCOV_UNIQUE_ENABLE:
		return enable(kcov, &(struct request){ .trace = KCOV_TRACE_PC, .unique = true, .seen_words = arg });
	case KCOV_REMOTE_ENABLE:
		return enable(kcov, &(struct request){ .trace = remote->trace_mode, .remote = true, .arg = remote });
	case KCOV_DISABLE:
		return disable(kcov, arg);
	case KCOV_RESET_TRACE:
		return reset_trace(kcov, arg);
	default:
		return -ENOTTY;
	}
}

static struct kcov_remote_arg *read_remote_arg(const struct kcov_remote_arg __user *from)
{
	struct kcov_remote_arg *arg;
	unsigned int nr_handles;

	if (get_user(nr_handles, &from->num_handles))
		return ERR_PTR(-EFAULT);
	if (nr_handles > KCOV_REMOTE_MAX_HANDLES)
		return ERR_PTR(-EINVAL);
	arg = memdup_user(from, struct_size(arg, handles, nr_handles));
	if (!IS_ERR(arg) && arg->num_handles != nr_handles) {
		kfree(arg);
		return ERR_PTR(-EINVAL);
	}
	return arg;
}

/* ---- the files ------------------------------------------------------------------------------- */

static long kcov_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kcov_remote_arg *remote = NULL;
	long ret;

	if (cmd == KCOV_INIT_TRACE)
		return init_trace(file->private_data, arg);
	if (cmd == KCOV_REMOTE_ENABLE) {
		remote = read_remote_arg((const struct kcov_remote_arg __user *)arg);
		if (IS_ERR(remote))
			return PTR_ERR(remote);
	}
	mutex_lock(&devices_lock);
	ret = ioctl_locked(file->private_data, cmd, arg, remote);
	mutex_unlock(&devices_lock);
	kfree(remote);
	return ret;
}

static int kcov_open(struct inode *inode, struct file *file)
{
	struct covb_kcov *kcov = kzalloc(sizeof(*kcov), GFP_KERNEL);

	if (!kcov)
		return -ENOMEM;
	refcount_set(&kcov->refs, 1);
	file->private_data = kcov;
	return nonseekable_open(inode, file);
}

static int kcov_release(struct inode *inode, struct file *file)
{
	kcov_put(file->private_data);
	return 0;
}

static int kcov_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct covb_kcov *kcov = file->private_data;
	/* acquire: partner is the release in init_trace() */
	struct covbuf_owner *owner = smp_load_acquire(&kcov->owner);
	uint64_t *words, nr_words;

	if (!owner || covbuf_owner_target(owner, &words, &nr_words))
		return -EINVAL;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != nr_words * sizeof(*words))
		return -EINVAL;
	return remap_vmalloc_range(vma, words, 0);
}

static const struct file_operations kcov_fops = {
	.owner = THIS_MODULE,
	.open = kcov_open,
	.release = kcov_release,
	.unlocked_ioctl = kcov_ioctl,
	.compat_ioctl = kcov_ioctl,
	.mmap = kcov_mmap,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "covbuf",
	.mode = 0600,
	.fops = &kcov_fops,
};
static struct dentry *debugfs_file;

uint32_t covb_devices_count(void)
{
	return atomic_read(&nr_owners);
}

uint32_t covb_devices_enabled(void)
{
	return READ_ONCE(nr_enabled);
}

int covb_devices_set_class(uint32_t area_class)
{
	int err;

	mutex_lock(&devices_lock);
	reap_locked();
	err = nr_enabled ? -EBUSY : covb_pool_set_class(area_class);
	mutex_unlock(&devices_lock);
	return err;
}

int covb_devices_init(void)
{
	int err;

	reaper = alloc_workqueue("covbuf", WQ_UNBOUND, 1);
	if (!reaper)
		return -ENOMEM;
	err = misc_register(&misc);
	if (err) {
		destroy_workqueue(reaper);
		return err;
	}
	/* the safe kind has no mmap; the module is pinned by each open file and the mapping by its file */
	debugfs_file = debugfs_create_file_unsafe("kcov", 0600, NULL, NULL, &kcov_fops);
	if (IS_ERR(debugfs_file))
		pr_warn("no debugfs file kcov (%ld): use /dev/covbuf\n", PTR_ERR(debugfs_file));
	return 0;
}

/* No file is open and nothing enabled: either would pin the module. */
void covb_devices_fini(void)
{
	if (!IS_ERR(debugfs_file))
		debugfs_remove(debugfs_file);
	misc_deregister(&misc);
}

/* After the exit probe has gone: what it left to do is done. */
void covb_devices_flush(void)
{
	destroy_workqueue(reaper);
}
