/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * covbuf_sample: what programs and the module agree upon.
 *
 * A program writes messages to /dev/covbuf_sample, one after the other, each with a header of four bytes and
 * up to 255 bytes of payload. A message that is wrong ends the write: what came before it counts.
 * SAMPLE_DEFER has the last good payload looked at once more, on the program's behalf but not in its task.
 */
#ifndef COVBUF_SAMPLE_H
#define COVBUF_SAMPLE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SAMPLE_DEVICE "/dev/covbuf_sample"
#define SAMPLE_MAGIC 0xc05a

enum sample_type {
	SAMPLE_ECHO = 1, /* any payload; answers its length */
	SAMPLE_SUM = 2,	 /* 32-bit numbers, little-endian; answers their sum */
	SAMPLE_NAME = 3, /* a word; answers its number in a list, or is refused with ENOENT */
};

struct sample_header {
	__le16 magic;	/* SAMPLE_MAGIC */
	__u8 type;	/* enum sample_type */
	__u8 nr_bytes;	/* of the payload, which follows */
};

/* Where SAMPLE_DEFER has its work done: any of these. */
#define SAMPLE_SOFTIRQ (1u << 0)
#define SAMPLE_WORK (1u << 1)
#define SAMPLE_TIMER (1u << 2)
#define SAMPLE_ANYWHERE (SAMPLE_SOFTIRQ | SAMPLE_WORK | SAMPLE_TIMER)

struct sample_defer {
	__u32 where;	/* in: SAMPLE_SOFTIRQ and so on */
	__u32 checksum; /* out, of SAMPLE_SOFTIRQ */
	__u32 letters;	/* out, of SAMPLE_WORK: how many of the bytes are letters */
	__u32 longest;	/* out, of SAMPLE_TIMER: the longest run of one byte */
};

#define SAMPLE_ANSWER _IOR(0xcb, 1, __u32)		 /* that of the last good message */
#define SAMPLE_DEFER _IOWR(0xcb, 2, struct sample_defer) /* returns when all is done */

#endif
