/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the ABI test asks its module for, by ioctl on /dev/covbuf_abi: to run functions whose coverage can be told
 * apart, in the caller's context or in another, in sections of a handle or outside of one. Every call returns
 * when the work is done, but for ABI_HOLD.
 */
#ifndef COVBUF_ABI_MOD_H
#define COVBUF_ABI_MOD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ABI_DEVICE "/dev/covbuf_abi"

/* Functions 0 to ABI_PLAIN - 1 are alike; then one that compares, and one that calls every comparison hook by hand. */
#define ABI_PLAIN 8
#define ABI_COMPARING ABI_PLAIN
#define ABI_HOOKING (ABI_PLAIN + 1)
#define ABI_FUNCTIONS (ABI_PLAIN + 2)

/* In place of a handle: the common handle of the caller; no section at all. */
#define ABI_COMMON_HANDLE 0ull
#define ABI_NO_SECTION (~0ull)

struct abi_range {
	__u32 function;
	__u32 reserved;
	__u64 start; /* as loaded, the KASLR offset included */
	__u64 end;   /* one past the last byte */
};

struct abi_job {
	__u64 handle;
	__u32 function; /* one of the plain ones */
	__u32 times;    /* calls of it in each section */
	__u32 sections;
	__u32 reserved;
};

struct abi_values {
	__u64 a;
	__u64 b;
};

#define ABI_RANGE _IOWR('A', 1, struct abi_range)
#define ABI_RUN _IOW('A', 2, struct abi_job)     /* in the calling task; no section */
#define ABI_WORK _IOW('A', 3, struct abi_job)    /* in a work item */
#define ABI_SOFTIRQ _IOW('A', 4, struct abi_job) /* in a softirq that interrupts the calling task */
#define ABI_HARDIRQ _IOW('A', 5, struct abi_job) /* in an interrupt of the calling task; no section */
#define ABI_HOLD _IOW('A', 6, struct abi_job)    /* in a work item, which then stays in its section ... */
#define ABI_RELEASE _IO('A', 7)                  /* ... until it is told to call the function again and to stop */
#define ABI_HANDLE _IOR('A', 8, __u64)           /* the common handle of the calling task */
#define ABI_COMPARE _IOW('A', 9, struct abi_values)
#define ABI_HOOKS _IOW('A', 10, struct abi_values)

#endif
