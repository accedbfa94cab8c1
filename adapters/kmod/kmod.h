/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of covbuf.ko say to each other. */
#ifndef COVB_KMOD_H
#define COVB_KMOD_H

#ifdef pr_fmt
#undef pr_fmt
#endif
#define pr_fmt(fmt) "covbuf: " fmt

#include <linux/jump_label.h>
#include <linux/percpu.h>

struct dentry;

#include "libcovbuf/platform/kernel/kernel.h"

/* Counted per CPU; an interrupt or NMI may count in between. */
struct covb_cpu {
	unsigned long full;	/* records that found their area full */
	unsigned long no_area;	/* records of sections that found no area */
	unsigned long hardirq, nmi; /* callbacks at levels that never collect, while the task below collected */
	unsigned long sections;	/* started */
	unsigned long level;	/* sections refused, at levels that never collect */
};
DECLARE_PER_CPU(struct covb_cpu, covb_cpu);

/*
 * One more of a counter of this CPU's, from a hook too: where this_cpu_inc() is more than an instruction, it masks interrupts,
 * and calls what waited for them at its end. There an atomic increment takes its place, which orders nothing and, where the task
 * is moved in between, counts for the CPU that it was on: sums stay right.
 */
#ifdef CONFIG_X86
#define covb_cpu_inc(counter) this_cpu_inc(covb_cpu.counter)
#else
#define covb_cpu_inc(counter) covb_local_inc((uint64_t *)raw_cpu_ptr(&covb_cpu.counter))
#endif

/* kaslr.c: what is subtracted from a PC, as KCOV does. */
#ifdef CONFIG_RANDOMIZE_BASE
extern unsigned long covb_kaslr_offset;
#else
#define covb_kaslr_offset 0ul
#endif
void covb_find_kaslr_offset(void);

/*
 * module.c: instrumented modules and their control, as special hooks look at them. What no entry has, a
 * module beyond the last one, is found in the last, which is everybody's.
 */
#define COVB_MODULES_MAX 64
#define COVB_NO_SITE (~0ul)
struct covb_text {
	unsigned long start, bytes;
	unsigned long first_site; /* in bitmaps of unique enables; kept for a module that is loaded again */
	bool off;
};
extern struct covb_text covb_texts[COVB_MODULES_MAX + 1];
int covb_modules_init(struct dentry *dir);
void covb_modules_fini(void);

/* profile.c: see profile.h */
int covb_profiles_init(struct dentry *dir);
void covb_profiles_fini(void);

/* device.c */
int covb_devices_init(void);
void covb_devices_fini(void);
void covb_devices_flush(void);
void covb_kcov_task_gone(struct covb_kcov *kcov);
int covb_devices_set_class(uint32_t area_class); /* -EBUSY: an owner is enabled */
uint32_t covb_devices_count(void);
uint32_t covb_devices_enabled(void);

/* stats.c */
void covb_stats_init(struct dentry *dir);

#endif
