// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The observer: everything that covbuf_view_*() gives of a segment that holds anything, and changes
 * between any two readings. What comes out is in range, whatever goes in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define FLAG_SWAPS (1u << 0) /* words are asked for with another area's description */
#define FLAG_TABLES (1u << 1)

/* ops: which areas to read, a bit each; and from bit 8 on how many words. */

static struct covbuf_segment *segment;
static int64_t nr_records;
static volatile uint64_t sum;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	image_init();
	segment = image_open(COVBUF_OPEN_READ);
	return 0;
}

static bool is_text(const char *text, size_t room)
{
	return memchr(text, 0, room) != NULL;
}

static void check_error(int64_t err)
{
	expect(err >= 0 || err == -ENOENT || err == -EAGAIN || err == -EPROTO || err == -ESTALE || err == -EINVAL ||
	       (err == -EIO && image.lied), "error %ld", (long)err);
}

static void view_tables(void)
{
	struct covbuf_context_slot context;
	struct covbuf_owner_slot owner;
	struct covbuf_module module;
	struct covbuf_header header;
	struct covbuf_proc proc;

	if (!covbuf_view_header(segment, &header))
		expect(header.nr_areas <= NR_PARTS && header.nr_retired <= header.nr_areas &&
		       header.size_bytes <= IMAGE_BYTES && header.areas.nr == NR_PARTS, "a header out of range");
	for (uint32_t i = 0; i <= NR_PROCS; i++) {
		if (!covbuf_view_proc(segment, i, &proc))
			expect(i < NR_PROCS && is_text(proc.path, sizeof(proc.path)), "a process out of range");
		if (!covbuf_view_context(segment, i, &context))
			expect(i < NR_CONTEXTS && is_text(context.name, sizeof(context.name)), "a context out of range");
		if (!covbuf_view_module(segment, i, &module))
			expect(i < NR_MODULES && is_text(module.path, sizeof(module.path)) && module.proc < NR_PROCS &&
			       module.build_id_bytes <= sizeof(module.build_id), "a module out of range");
		if (!covbuf_view_owner(segment, i, &owner))
			expect(i < NR_OWNERS && is_text(owner.name, sizeof(owner.name)) && owner.queue <= NR_PARTS &&
			       owner.target <= NR_PARTS && owner.mode < COVBUF_NR_MODES && owner.kind <= COVBUF_COUNTED &&
			       owner.area_class < COVBUF_NR_CLASSES, "an owner out of range");
	}
}

static int count(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	(void)arg;
	for (uint32_t k = 0; k < (area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1); k++)
		sum += record[k];
	nr_records++;
	return 0;
}

static void view_area(uint32_t i, const struct covbuf_area *area, uint32_t nr)
{
	uint64_t from = nr & 0x7f, holes = 0;
	uint64_t *words = malloc(nr * 8 + 1);
	int64_t got = covbuf_view_words(segment, i, area, from, nr, words);

	check_error(got);
	expect(got <= (int64_t)nr, "more words than were asked for");
	for (int64_t k = 0; k < got; k++)
		sum += words[k];
	free(words);
	nr_records = 0;
	got = covbuf_view_records(segment, i, area, count, NULL, &holes);
	check_error(got);
	expect(got < 0 || got == nr_records, "%ld records are told, %ld were visited", (long)got, (long)nr_records);
	expect(nr_records + (int64_t)holes <= (int64_t)area->nr_words, "more than there is room for");
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	struct input_head head = image_load(input, nr_bytes);
	struct covbuf_area area;

	if (head.flags & FLAG_TABLES)
		view_tables();
	for (uint32_t i = 0; i <= NR_PARTS; i++) {
		int err = covbuf_view_area(segment, i, &area);

		check_error(err);
		if (err)
			continue;
		expect(i < NR_PARTS && area.owner <= NR_OWNERS && area.context <= NR_CONTEXTS && area.next <= NR_PARTS &&
		       area.mode < COVBUF_NR_MODES && area.kind <= COVBUF_COUNTED, "an area out of range");
		expect(area.offset_bytes <= IMAGE_BYTES &&
		       (!area.nr_words || area.nr_words * 8ull <= IMAGE_BYTES - area.offset_bytes), "an area beyond the storage");
		if (head.ops >> i % 8 & 1)
			view_area(head.flags & FLAG_SWAPS ? i ^ 1 : i, &area, head.ops >> 8);
	}
}
