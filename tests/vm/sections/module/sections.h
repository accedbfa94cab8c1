/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program asks of sections.ko: to run a script, an array of operations that call functions which can be told
 * apart, start and stop remote sections, and do so in softirqs, timers, work items or hardirqs. Of the
 * module only those functions are instrumented: each call of one makes one record, in PC mode and in CMP mode.
 */
#ifndef SECTIONS_H
#define SECTIONS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SECTIONS_NR_FNS 64
#define SECTIONS_NR_ACCOUNTS 16
#define SECTIONS_NR_PHASES 16
#define SECTIONS_MAX_OPS 4096
#define SECTIONS_CONSTANT 0x5ec7105000000100ull /* what function i compares its argument with, plus i; POWER makes each in as many instructions */

enum sections_what {
	/* call function fn, n times, with arguments 0, 1, ..; account, if not 0, is raised by n */
	SECTIONS_CALL,
	/* the same with the epoch of the last start that had a phase; fn + 1 + epoch % 2 is called if there is one */
	SECTIONS_CALL_EPOCH,
	SECTIONS_START, /* value: handle, or SECTIONS_COMMON; account: phase */
	SECTIONS_STOP,
	SECTIONS_IN,	/* fn: enum sections_level. The n operations that follow run there, and are waited for */
	SECTIONS_OUT,	/* nothing: marks an end for whoever counts n */
	SECTIONS_SLEEP, /* for n microseconds */
};

#define SECTIONS_COMMON (~0ull) /* the common handle of the task that runs the script */

enum sections_level {
	SECTIONS_TASK,
	SECTIONS_BH,	     /* tasklet raised with bottom halves off: softirq in the task itself */
	SECTIONS_TASKLET,    /* tasklet raised by a task: softirq, mostly in ksoftirqd */
	SECTIONS_TIMER,
	SECTIONS_HRTIMER,    /* of the soft kind */
	SECTIONS_HARDTIMER,  /* hrtimer of the hard kind: hardirq in the task itself */
	SECTIONS_IRQ_WORK,   /* hardirq; a thread where PREEMPT_RT makes it one */
	SECTIONS_HARDIRQ,    /* irq_work of the hard kind: hardirq in the task itself */
	SECTIONS_WORK,
	SECTIONS_BH_OFF,     /* these three: where we are, but ... */
	SECTIONS_PREEMPT_OFF,
	SECTIONS_IRQ_OFF,
	SECTIONS_NR_LEVELS,
};

struct sections_op {
	__u16 what;
	__u16 fn;
	__u16 account;
	__u16 reserved;
	__u32 n;
	__u32 pause_us; /* between calls */
	__u64 value;
};

/* What was seen at a level: */
#define SECTIONS_SEEN_TASK 1
#define SECTIONS_SEEN_SOFTIRQ 2
#define SECTIONS_SEEN_HARDIRQ 4
#define SECTIONS_SEEN_BORROWED 8 /* it ran in the task that runs the script */
#define SECTIONS_SEEN_OVER 16	 /* a task's calls while a softirq's operations were under way on the CPU */

struct sections_run {
	__u64 ops;
	__u32 nr_ops;
	__u8 seen[SECTIONS_NR_LEVELS]; /* out */
};

struct sections_info {
	__u64 fns[SECTIONS_NR_FNS];	       /* their addresses */
	__u64 emitted[SECTIONS_NR_ACCOUNTS];
};

struct sections_phase {
	__u32 phase; /* 1 ... */
	__u32 reserved;
	__u64 epoch; /* of the enable that is in force from before this call until the next such call; or 0 */
};

#define SECTIONS_RUN _IOWR('s', 1, struct sections_run)
#define SECTIONS_INFO _IOR('s', 2, struct sections_info)
#define SECTIONS_PHASE _IOW('s', 3, struct sections_phase)
/* From now on a probe of sched_switch, after all that are there, calls function arg when this task goes. */
#define SECTIONS_PROBE _IO('s', 4)

#endif
