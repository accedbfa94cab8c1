/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A segment as a reader has it that has checked its layout: the tables are where they are, all else is anything. */
#ifndef TESTS_EVA_SEGMENT_H
#define TESTS_EVA_SEGMENT_H

#define NR_AREAS 4
#define PART COVBUF_PART_BYTES
#define LIMIT ((6 + NR_AREAS) * PART)

volatile int any;
volatile uint64_t any_number;

static char storage[LIMIT] __attribute__((aligned(65536)));

static struct covbuf_segment segment = {
	.consumer = true,
	.base = storage,
	.layout = {
		.limit_bytes = LIMIT,
		.data_offset_bytes = 6 * PART,
		.procs = { .offset_bytes = PART, .nr = 128, .entry_bytes = sizeof(struct covbuf_proc) },
		.contexts = { .offset_bytes = 2 * PART, .nr = 128, .entry_bytes = sizeof(struct covbuf_context_slot) },
		.owners = { .offset_bytes = 3 * PART, .nr = 16, .entry_bytes = sizeof(struct covbuf_owner_slot) },
		.modules = { .offset_bytes = 4 * PART, .nr = 64, .entry_bytes = sizeof(struct covbuf_module) },
		.areas = { .offset_bytes = 5 * PART, .nr = NR_AREAS, .entry_bytes = sizeof(struct covbuf_area) },
	},
};

static void begin(void)
{
	segment.header = (struct covbuf_header *)storage;
	segment.procs = (struct covbuf_proc *)(storage + PART);
	segment.contexts = (struct covbuf_context_slot *)(storage + 2 * PART);
	segment.owners = (struct covbuf_owner_slot *)(storage + 3 * PART);
	segment.modules = (struct covbuf_module *)(storage + 4 * PART);
	segment.areas = (struct covbuf_area *)(storage + 5 * PART);
}

#endif
