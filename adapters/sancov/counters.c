/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inline 8-bit counters and bool flags of one image, made into PC records through its pc table.
 *
 * Counter i belongs to entry i of the table: the compiler lays both out function by function, and the
 * linker keeps them in step. A record is the entry's address plus one: records are return addresses,
 * and whoever looks one up goes back by one byte.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "images.h"

void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end);
void __sanitizer_cov_bool_flag_init(uint8_t *start, uint8_t *end);
void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end);

/* Marks for unique mode; without them every synchronisation records what was reached since the last. */
static COVBUF_NOINSTR void make_marks(struct covb_counters *counters)
{
	size_t bytes = (size_t)(counters->end - counters->start) * sizeof(uint32_t);
	void *marks;

	if (covb_load(&counters->marks) || !bytes)
		return;
	marks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (marks != MAP_FAILED)
		covb_store(&counters->marks, (uint32_t *)marks);
}

/* False: this context collects no PCs, and the counter is as it was. */
static COVBUF_NOINSTR bool record_site(uint8_t *counter, uint32_t *mark, uint64_t pc)
{
	struct covbuf_context *ctx = covbuf_context();
	uint8_t count = covb_load(counter);

	if (covb_context_missing(ctx) || !covb_slot_pc(ctx))
		return false;
	covb_store(counter, 0);
	if (mark)
		covbuf_trace_pc_site(mark, UINT32_MAX, pc);
	else
		covbuf_trace_pc(pc);
	if (covb_load(&ctx->top))
		return true;
	covb_store(counter, count); /* the context was unborn, and is now shut */
	return false;
}

static COVBUF_NOINSTR void record_counters(struct covb_counters *counters)
{
	uint64_t nr = (uint64_t)(counters->end - counters->start);
	uint64_t nr_pcs = (uint64_t)(counters->pcs_end - counters->pcs) / 2;

	if (nr > nr_pcs)
		nr = nr_pcs;
	if (!nr)
		return;
	make_marks(counters);
	for (uint64_t i = 0; i < nr; i++) {
		if (covb_load(&counters->start[i]) &&
		    !record_site(&counters->start[i], counters->marks ? &counters->marks[i] : NULL,
				 counters->pcs[2 * i] + 1))
			return;
	}
}

COVBUF_NOINSTR void covb_counters_record(struct covb_sancov_image *owner)
{
	for (int kind = 0; kind < COVB_NR_COUNTERS; kind++)
		record_counters(&owner->counters[kind]);
}

COVBUF_NOINSTR void covb_counters_forget(struct covb_sancov_image *owner)
{
	for (int kind = 0; kind < COVB_NR_COUNTERS; kind++) {
		for (uint8_t *counter = owner->counters[kind].start; counter < owner->counters[kind].end; counter++)
			covb_store(counter, 0);
	}
}

/* The compiler's constructors call these, once or more for each image, in no order. */
static COVBUF_NOINSTR void set_counters(uint8_t *start, uint8_t *end, enum covb_counters_kind kind)
{
	struct covb_sancov_image *owner = covb_image_of_data(start);

	if (!owner || start >= end)
		return;
	owner->counters[kind].start = start;
	owner->counters[kind].end = end;
	covb_counters_registered(owner);
}

COVB_CALLBACK void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end)
{
	set_counters(start, end, COVB_COUNTERS_8BIT);
}

COVB_CALLBACK void __sanitizer_cov_bool_flag_init(uint8_t *start, uint8_t *end)
{
	set_counters(start, end, COVB_COUNTERS_BOOL);
}

COVB_CALLBACK void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end)
{
	struct covb_sancov_image *owner = covb_image_of_data(start);

	if (!owner || start >= end)
		return;
	for (int kind = 0; kind < COVB_NR_COUNTERS; kind++) {
		owner->counters[kind].pcs = start;
		owner->counters[kind].pcs_end = end;
	}
}
