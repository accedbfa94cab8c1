/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What count.c, which runs in user space, asks of count.ko: to do something once, and say what the clock made of it. */
#ifndef COUNT_H
#define COUNT_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define COUNT_CALLS 100

/*
 * In the emulator each instruction takes a nanosecond on x86, 16 on POWER (bench/kernel.sh): ticks of the TSC, of 1 GHz, and of the
 * time base, of 512 MHz, which is too coarse to tell one from the other otherwise.
 */
#ifdef __powerpc64__
#define COUNT_TICKS 8.192
#else
#define COUNT_TICKS 1.
#endif

enum {
	COUNT_ONE,		/* a call of the hook */
	COUNT_PC,		/* COUNT_CALLS of them, each from a place of its own */
	COUNT_CMP,
	COUNT_SECTION,		/* a remote section with so many calls of the hook in it */
	COUNT_NR_WHAT,
};

struct count_request {
	__u32 what;
	__u32 empty;		/* call functions that only return, in place of those to be counted */
	__u32 hardirq;		/* there, and not in the calling task */
	__u32 nr_records;	/* of a section */
	__u64 handle;
	__u64 ticks;		/* out */
};

#define COUNT_IOCTL _IOWR('C', 1, struct count_request)

#endif
