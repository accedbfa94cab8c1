// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opening a file whose header and size are anything: refused with a sentence, or opened, and then what the
 * layout says is there, is. ops: the file's size in parts of 64 KiB (0: the image's); the header is patched
 * before the file is opened, and perhaps between the two readings of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../shm/shm.h"
#include "image.h"

#define FLAG_CONSUME (1u << 0)
#define FLAG_ATTACH (1u << 1)
#define FLAG_RAGGED (1u << 2) /* the file does not end with a part */
#define FLAG_RAW (1u << 3)    /* what follows the head is the file */

#define MAX_PARTS 256
#define MAX_DRAINED_BYTES (32ull << 20)

static volatile uint64_t sum;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	image_init();
	return 0;
}

static int visit(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		sum += batch->words[i];
	return 0;
}

/* All tables, first and last entries; the areas. */
static void look_at_all(struct covbuf_segment *segment)
{
	const struct covb_layout *layout = &segment->layout;
	struct covbuf_context_slot context;
	struct covbuf_owner_slot owner;
	struct covbuf_module module;
	struct covbuf_header header;
	struct covbuf_area area;
	struct covbuf_proc proc;

	covbuf_view_header(segment, &header);
	for (uint32_t n = 0; n < 8; n++) {
		covbuf_view_proc(segment, n & 1 ? layout->procs.nr - n / 2 : n / 2, &proc);
		covbuf_view_context(segment, n & 1 ? layout->contexts.nr - n / 2 : n / 2, &context);
		covbuf_view_owner(segment, n & 1 ? layout->owners.nr - n / 2 : n / 2, &owner);
		covbuf_view_module(segment, n & 1 ? layout->modules.nr - n / 2 : n / 2, &module);
	}
	for (uint32_t i = 0; i < layout->areas.nr && i < 2 * NR_PARTS; i++) {
		if (!covbuf_view_area(segment, i, &area)) {
			uint64_t words[64];

			covbuf_view_words(segment, i, &area, 0, 64, words);
		}
	}
}

static void check_layout(const struct covb_layout *layout, uint64_t storage_bytes)
{
	const struct covbuf_table *tables[] = { &layout->procs, &layout->contexts, &layout->owners, &layout->modules,
						&layout->areas };

	expect(layout->data_offset_bytes <= storage_bytes && layout->data_offset_bytes <= layout->limit_bytes,
	       "data beyond the file");
	for (size_t i = 0; i < 5; i++)
		expect(tables[i]->offset_bytes >= PART &&
		       tables[i]->offset_bytes + (uint64_t)tables[i]->nr * tables[i]->entry_bytes <= layout->data_offset_bytes,
		       "table %zu is not between header and data", i);
}

static void use(struct covbuf_segment *segment, uint64_t storage_bytes)
{
	struct covbuf_drained drained;

	check_layout(&segment->layout, storage_bytes);
	look_at_all(segment);
	if (segment->consumer && segment->layout.limit_bytes <= MAX_DRAINED_BYTES)
		covbuf_drain(segment, COVBUF_DRAIN_LIVE, visit, NULL, &drained);
	for (uint32_t i = 0; segment->base && i < 2 * NR_PARTS; i++) {
		uint64_t nr_words = 0, *words = covb_segment_words(segment, i, &nr_words);

		expect(!words || (char *)(words + nr_words) <= segment->base + segment->layout.limit_bytes,
		       "words beyond the segment");
	}
	if (segment->base) /* the guard behind the limit is there */
		expect(!mprotect(segment->base + segment->layout.limit_bytes, 4096, PROT_NONE), "no guard page");
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	static const unsigned int ways[] = { COVBUF_OPEN_READ, COVBUF_OPEN_CONSUME, COVBUF_OPEN_ATTACH,
					     COVBUF_OPEN_CONSUME | COVBUF_OPEN_ATTACH };
	struct input_head head = image_load(input, nr_bytes);
	struct covbuf_message why = { "" };
	struct covbuf_segment *segment;
	uint64_t bytes;
	char where[32];
	int err;

	bytes = head.ops ? head.ops % MAX_PARTS * PART : IMAGE_BYTES;
	if (head.flags & FLAG_RAGGED)
		bytes -= bytes ? head.ops : 0;
	if (head.flags & FLAG_RAW) {
		bytes = nr_bytes - sizeof(head);
		memcpy(image.base, input + sizeof(head), bytes);
		image_changed(bytes);
	}
	if (ftruncate(image.fd, (off_t)bytes))
		return;
	image.bytes = bytes < IMAGE_BYTES ? bytes : IMAGE_BYTES;
	snprintf(where, sizeof(where), "fd:%d", image.fd);
	err = covbuf_segment_open(where, ways[head.flags & 3], &segment, &why);
	expect(err <= 0 && (!err || why.text[0]), "refused without a reason");
	expect(!strchr(why.text, '\n'), "a reason of two lines");
	if (!err) {
		use(segment, bytes);
		covbuf_segment_close(segment);
	}
	if (ftruncate(image.fd, IMAGE_BYTES))
		finding("cannot make the file whole again");
	image.bytes = IMAGE_BYTES;
	image_changed(IMAGE_BYTES);
}
