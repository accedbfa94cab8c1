/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Remote coverage sections, for the authors of kernel modules.
 *
 * A task that traces itself sees what it does in its own system calls. What a softirq, a work item, a timer
 * or a kernel thread does *on its behalf* reaches it only if the code says whose work this is: between
 * covbuf_remote_start(handle) and covbuf_remote_stop() all that the running context executes goes to
 * whoever enabled that handle with KCOV_REMOTE_ENABLE. The usual handle is the common one of the task that
 * asked for the work:
 *
 *	request->handle = covbuf_common_handle();	// in the system call
 *	...
 *	covbuf_remote_start(request->handle);		// in the work item
 *	process(request);
 *	covbuf_remote_stop();
 *
 * What the functions become is decided when the module is compiled:
 *
 *	the kernel has CONFIG_KCOV		the kernel's own kcov_remote_start() and so on
 *	COVBUF_KMOD is defined (instrument.mk)	what covbuf.ko exports; the module then needs covbuf.ko
 *	neither					nothing
 *
 * This file needs nothing but the kernel's headers, of Linux 6.1 or later: a copy of it may live in a
 * module's own tree.
 *
 * Sections nest, in one another and across levels: a section of a softirq that interrupts one of a task
 * collects on its own, and what was interrupted goes on after it. The kernel's KCOV is narrower, and modules
 * that are to run on both keep to it: there a section in a task nests in no other (it warns), and only the
 * subsystems KCOV_SUBSYSTEM_COMMON and KCOV_SUBSYSTEM_USB exist.
 */
#ifndef COVBUF_KMOD_H
#define COVBUF_KMOD_H

#include <linux/compiler.h>
#include <linux/kcov.h>
#include <linux/preempt.h>
#include <linux/types.h>

#if !defined(CONFIG_KCOV) && defined(COVBUF_KMOD)

/**
 * covbuf_remote_start() - what follows in this context is done on behalf of a handle's owner
 * @handle: from covbuf_common_handle() or covbuf_remote_handle(); 0 starts nothing
 *
 * Each start needs its stop, in the same task or the same softirq handler, whether a section was started or
 * not: a stop ends the last start of its level. Where nobody has enabled the handle, the records go on to what
 * was collecting.
 *
 * Context: task and softirq, preemptible or not, with any lock held or interrupts off; the kernel's KCOV may
 * sleep here when called from a task. In hardirq and NMI it does nothing. On PREEMPT_RT a handler that runs
 * in a thread is a task, and may start sections.
 * Ordering: none that callers may build upon. Sees an enable that happens before it.
 * Errors: none are returned. /sys/kernel/debug/covbuf/stats counts what was not started, by cause, and
 * lost_no_area, the records of sections for which the pool had no area.
 * Lock-free.
 */
void covbuf_remote_start(u64 handle);

/**
 * covbuf_remote_stop() - end the last section of this level and hand its records to the owner
 *
 * Without a start at this level it does nothing.
 *
 * Context: as covbuf_remote_start(), which see.
 * Ordering: a client that reads a count from word 0 of its area (acquire) sees all the records counted. The
 * count has risen when this returns, or does so soon after if another CPU is delivering to the same owner.
 * Errors: none are returned; a section whose owner has disabled since is counted as lost_stale.
 * Lock-free.
 */
void covbuf_remote_stop(void);

/**
 * covbuf_common_handle() - the common handle of the running task, for work done on its behalf
 *
 * Set by the task's KCOV_REMOTE_ENABLE, or inherited from the parent that had set it. It is a number, and
 * holds no reference: it may be kept for as long as one likes.
 *
 * Context: task; elsewhere it gives 0.
 * Ordering: none. Errors: none.
 * Return: the handle; 0 if there is none, which covbuf_remote_start() takes for "nobody".
 */
u64 covbuf_common_handle(void);

#else

/* The kernel's own, which are empty where it has no CONFIG_KCOV. */
static inline void covbuf_remote_start(u64 handle)
{
	kcov_remote_start(handle);
}

static inline void covbuf_remote_stop(void)
{
	kcov_remote_stop();
}

static inline u64 covbuf_common_handle(void)
{
	return kcov_common_handle();
}

#endif

/**
 * covbuf_remote_handle() - make a handle of a subsystem and a number in it
 * @subsystem: KCOV_SUBSYSTEM_COMMON or KCOV_SUBSYSTEM_USB of <linux/kcov.h>
 * @instance: up to 32 bits; not 0 in KCOV_SUBSYSTEM_COMMON
 *
 * Context: any. Ordering: none.
 * Errors: 0 if an argument has bits of the other's.
 * Return: the handle, as clients name it to KCOV_REMOTE_ENABLE.
 */
static inline u64 covbuf_remote_handle(u64 subsystem, u64 instance)
{
	return kcov_remote_handle(subsystem, instance);
}

/**
 * covbuf_remote_start_common() - covbuf_remote_start() of a common handle
 * @id: of the common subsystem, as covbuf_common_handle() gives it; 0 starts nothing
 *
 * Context, Ordering, Errors: as covbuf_remote_start().
 */
static inline void covbuf_remote_start_common(u64 id)
{
	covbuf_remote_start(covbuf_remote_handle(KCOV_SUBSYSTEM_COMMON, id));
}

/**
 * covbuf_remote_start_usb() - covbuf_remote_start() of a USB bus's handle
 * @id: number of the bus
 *
 * Context, Ordering, Errors: as covbuf_remote_start().
 */
static inline void covbuf_remote_start_usb(u64 id)
{
	covbuf_remote_start(covbuf_remote_handle(KCOV_SUBSYSTEM_USB, id));
}

/*
 * The softirq forms are for functions that run in softirqs and in tasks, and are to start a section in
 * softirqs only: in a task, the caller has one. covbuf.ko would nest the two; the kernel's KCOV does not.
 * covbuf_remote_stop_softirq() ends what any of them started.
 */
static inline bool covbuf_in_softirq(void)
{
	return in_serving_softirq() && !in_hardirq() && !in_nmi();
}

/**
 * covbuf_remote_start_softirq() - covbuf_remote_start(), in softirqs only
 * @handle: as there
 *
 * Context: any; but in softirq it does nothing. Ordering, Errors: as covbuf_remote_start().
 */
static inline void covbuf_remote_start_softirq(u64 handle)
{
	if (covbuf_in_softirq())
		covbuf_remote_start(handle);
}

/**
 * covbuf_remote_start_common_softirq() - covbuf_remote_start_common(), in softirqs only
 * @id: as there
 *
 * Context: any; but in softirq it does nothing. Ordering, Errors: as covbuf_remote_start().
 */
static inline void covbuf_remote_start_common_softirq(u64 id)
{
	if (covbuf_in_softirq())
		covbuf_remote_start_common(id);
}

/**
 * covbuf_remote_start_usb_softirq() - covbuf_remote_start_usb(), in softirqs only
 * @id: as there
 *
 * Context: any; but in softirq it does nothing. Ordering, Errors: as covbuf_remote_start().
 */
static inline void covbuf_remote_start_usb_softirq(u64 id)
{
	if (covbuf_in_softirq())
		covbuf_remote_start_usb(id);
}

/**
 * covbuf_remote_stop_softirq() - covbuf_remote_stop(), in softirqs only
 *
 * Context: any; but in softirq it does nothing. Ordering, Errors: as covbuf_remote_stop().
 */
static inline void covbuf_remote_stop_softirq(void)
{
	if (covbuf_in_softirq())
		covbuf_remote_stop();
}

static inline void covbuf_remote_leave(const char *unused)
{
	covbuf_remote_stop();
}

/**
 * covbuf_remote_scope() - a section from here to the end of the enclosing block, however it is left
 * @handle: as covbuf_remote_start()'s
 *
 * A declaration, of which a block can have one; not to be jumped over by goto or a switch's cases:
 *
 *	static void on_work(struct work_struct *work)
 *	{
 *		struct request *request = container_of(work, struct request, work);
 *		covbuf_remote_scope(request->handle);
 *
 *		if (!parse(request))
 *			return;
 *
 * Context, Ordering, Errors: as covbuf_remote_start() and covbuf_remote_stop().
 */
#define covbuf_remote_scope(handle)							\
	const char covbuf_remote_scope_							\
		__attribute__((__cleanup__(covbuf_remote_leave), __unused__)) =		\
		(covbuf_remote_start(handle), 0)

#endif
