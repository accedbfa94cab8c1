// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The consumer: passes, audits and collections over a segment that holds anything, and changes under it.
 *
 * Beside what the sanitizers see: the work is bounded by what there is, the numbers agree with what was
 * visited, and an area that goes back to the pool is empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../shm/shm.h"
#include "image.h"

#define FLAG_SEALED (1u << 0)
#define FLAG_STOPS (1u << 1) /* fn ends the pass now and then */
#define FLAG_NO_FN (1u << 2)

static struct covbuf_segment *segment;
static uint32_t nr_batches, nr_stops;
static volatile uint64_t sum;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	image_init();
	segment = image_open(COVBUF_OPEN_CONSUME);
	image_watch(segment);
	return 0;
}

static int visit(const struct covbuf_batch *batch, void *arg)
{
	const uint64_t *words = image_at(batch->words);
	const uint8_t *flags = arg;

	expect(batch->mode < COVBUF_NR_MODES && batch->kind <= COVBUF_COUNTED, "a batch of mode %u, kind %u",
	       batch->mode, batch->kind);
	expect(batch->owner < NR_OWNERS && batch->context <= NR_CONTEXTS, "a batch of owner %u, context %u",
	       batch->owner, batch->context);
	expect(batch->nr_words <= (IMAGE_BYTES - 6 * PART) / 8, "a batch of %lu words", (unsigned long)batch->nr_words);
	for (uint64_t i = 0; i < batch->nr_words; i++)
		sum += words[i];
	nr_batches++;
	return (*flags & FLAG_STOPS) && nr_batches % 3 == 2 ? (int)++nr_stops : 0;
}

static void check_pass(int err, const struct covbuf_drained *drained)
{
	/* a pass visits an area once; a ring in use once around, in batches */
	expect(drained->areas + drained->reclaimed <= 2 * NR_PARTS * (NR_OWNERS + NR_PROCS), "a pass over %lu areas",
	       (unsigned long)drained->areas);
	expect(err != -EIO || image.lied, "a file that was cut, where none was");
	expect(err == 0 || err == -EPROTO || err == -EIO || (err > 0 && (uint32_t)err <= nr_stops), "a pass gave %d", err);
}

static void drain(unsigned int flags, covbuf_batch_fn fn, uint8_t *input_flags)
{
	struct covbuf_drained drained = { 0 };
	int err = covbuf_drain(segment, flags, fn, input_flags, &drained);

	check_pass(err, &drained);
}

static void audit(uint32_t proc, covbuf_batch_fn fn, uint8_t *input_flags)
{
	struct covbuf_drained drained = { 0 };
	int64_t got = covb_audit_process(segment, proc, fn, input_flags, &drained);

	check_pass(got < 0 ? (int)got : 0, &drained);
}

static void run(unsigned int op, uint8_t *flags)
{
	covbuf_batch_fn fn = *flags & FLAG_NO_FN ? NULL : visit;

	switch (op) {
	case 1:
		drain(0, fn, flags);
		break;
	case 2:
		drain(COVBUF_DRAIN_LIVE, fn, flags);
		break;
	case 3:
		drain(COVBUF_DRAIN_AUDIT, fn, flags);
		break;
	case 4:
		drain(COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT, fn, flags);
		break;
	case 5:
	case 6:
		covb_collect_owner(segment, op - 5, 1, fn, flags);
		break;
	case 7:
		audit(2, fn, flags);
		break;
	case 8:
		audit(1, fn, flags);
		break;
	case 9:
		covbuf_segment_wait(segment, 0);
		break;
	case 10:
		for (uint32_t i = 0; i < COVBUF_NR_CLASSES; i++)
			expect(covbuf_segment_free_areas(segment, i) <= NR_PARTS, "more areas than there is room for");
		break;
	case 11:
		for (uint32_t i = 0; i < NR_PARTS + 1; i++)
			covb_area_clean(segment, i);
		break;
	case 12:
		for (uint32_t i = 0; i < NR_PROCS + 1; i++)
			covbuf_proc_alive(segment, i);
		break;
	}
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	struct input_head head = image_load(input, nr_bytes);

	image.sealed = head.flags & FLAG_SEALED;
	nr_batches = nr_stops = 0;
	for (unsigned int i = 0; i < 4; i++)
		run(head.ops >> 4 * i & 15, &head.flags);
}
