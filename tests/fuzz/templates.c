// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The images that inputs begin with: an empty segment, one with something in every state, one with rings, and a
 * recording.
 */
#define _GNU_SOURCE
#include "image.h"

#include "../../shm/shm.h"

enum { EMPTY, BUSY, RINGS, RECORDING };

static _Alignas(4096) char templates[NR_TEMPLATES][IMAGE_BYTES];

static struct covbuf_header *header_of(char *base)
{
	return (struct covbuf_header *)base;
}

static void *part(char *base, unsigned int n)
{
	return base + n * PART;
}

static void make_empty(char *base)
{
	static const struct {
		uint32_t nr, entry_bytes;
	} tables[] = {
		{ NR_PROCS, sizeof(struct covbuf_proc) },     { NR_CONTEXTS, sizeof(struct covbuf_context_slot) },
		{ NR_OWNERS, sizeof(struct covbuf_owner_slot) }, { NR_MODULES, sizeof(struct covbuf_module) },
		{ NR_PARTS, sizeof(struct covbuf_area) },
	};
	struct covbuf_header *header = header_of(base);
	struct covbuf_area *areas = part(base, 5);
	struct covbuf_table *table = &header->procs;

	for (unsigned int i = 0; i < 5; i++)
		table[i] = (struct covbuf_table){ .offset_bytes = (i + 1) * PART, .nr = tables[i].nr,
						  .entry_bytes = tables[i].entry_bytes };
	header->magic = COVBUF_MAGIC;
	header->version = COVBUF_VERSION;
	header->header_bytes = sizeof(*header);
	header->data_offset_bytes = 6 * PART;
	header->limit_bytes = header->size_bytes = IMAGE_BYTES;
	header->nr_areas = NR_AREAS;
	for (unsigned int i = 0; i < NR_AREAS; i++) {
		uint64_t *words = part(base, 6 + i);

		areas[i].flag = COVBUF_FLAG(1, 0, COVBUF_AREA_FREE);
		areas[i].offset_bytes = (6 + i) * PART;
		for (unsigned int k = covbuf_class_words(0); k < PART / 8; k++)
			words[k] = COVBUF_GUARD_VALUE;
	}
}

/* Area i in use, of owner 0. */
static struct covbuf_area *use_area(char *base, uint32_t i, uint64_t flag, uint32_t mode, uint32_t kind, uint32_t nr_words)
{
	struct covbuf_area *area = (struct covbuf_area *)part(base, 5) + i;
	uint64_t *words = part(base, 6 + i);
	uint32_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	*area = (struct covbuf_area){ .flag = flag, .offset_bytes = area->offset_bytes, .nr_words = nr_words,
				      .mode = (uint8_t)mode, .kind = (uint8_t)kind, .owner = 1, .context = 1,
				      .sequence = SEQUENCE, .pid = 100, .tid = 101, .serial = i, .module_generation = 1,
				      .position = COVBUF_RING_START, .claimed = COVBUF_RING_START + 12 };
	for (uint32_t k = step - 1; kind == COVBUF_RING && k < nr_words; k += step)
		words[k] = COVBUF_RING_START | k / step;
	for (uint32_t k = 1; k < 12; k++) /* one hole, at 3 */
		for (uint32_t j = 0; j < step && k != 3; j++)
			words[k * step + j] = 0x401000 + 16 * k + j;
	if (kind == COVBUF_COUNTED)
		words[0] = 8 / step;
	return area;
}

static void push(char *base, uint32_t owner, uint32_t i)
{
	struct covbuf_owner_slot *slot = (struct covbuf_owner_slot *)part(base, 3) + owner;
	struct covbuf_area *area = (struct covbuf_area *)part(base, 5) + i;

	area->next = slot->queue;
	area->owner = owner + 1;
	slot->queue = i + 1;
	slot->queued++;
}

static void make_users(char *base)
{
	struct covbuf_proc *procs = part(base, 1);
	struct covbuf_context_slot *contexts = part(base, 2);
	struct covbuf_owner_slot *owners = part(base, 3);
	struct covbuf_module *module = part(base, 4);

	make_empty(base);
	procs[DEAD].state = COVBUF_PROC_LIVE | 1 << 8;
	contexts[0].state = COVBUF_CONTEXT_LIVE | DEAD << 8 | 1 << 24;
	contexts[0].lost[COVBUF_LOST_FULL] = 7;
	owners[0].state = COVBUF_OWNER_LIVE | DEAD << 8 | 1 << 24;
	owners[1].state = COVBUF_OWNER_LIVE | 1 << 24;
	owners[0].sequence = owners[1].sequence = SEQUENCE;
	*module = (struct covbuf_module){ .state = 2, .pid = 100, .proc = 1, .build_id_bytes = 20, .start = 0x401000,
					  .end = 0x480000, .bias = 0x400000, .loaded = 1, .path = "/nowhere/program" };
	header_of(base)->module_generation = 1;
}

/* A queue, an area held by the dead, one that a consumer left, a merge target. */
static void make_busy(char *base)
{
	uint32_t linear = covbuf_class_words(0);

	make_users(base);
	use_area(base, 0, COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_MODE_PC, COVBUF_LINEAR, linear);
	use_area(base, 1, COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_MODE_CMP, COVBUF_LINEAR, 64);
	use_area(base, 2, COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_MODE_PC, COVBUF_COUNTED, 100);
	push(base, 0, 0);
	push(base, 1, 1);
	push(base, 0, 2);
	use_area(base, 3, COVBUF_FLAG(2, DEAD, COVBUF_AREA_HELD), COVBUF_MODE_PC, COVBUF_LINEAR, 64);
	use_area(base, 4, COVBUF_FLAG(2, COVB_HOLDER_CONSUMER, COVBUF_AREA_READING), COVBUF_MODE_CMP, COVBUF_COUNTED, 101);
	use_area(base, 5, COVBUF_FLAG(2, DEAD, COVBUF_AREA_TARGET), COVBUF_MODE_PC, COVBUF_COUNTED, PART / 8);
}

static void make_rings(char *base)
{
	make_users(base);
	use_area(base, 0, COVBUF_FLAG(2, 1, COVBUF_AREA_HELD), COVBUF_MODE_PC, COVBUF_RING, 64);
	use_area(base, 1, COVBUF_FLAG(2, 1, COVBUF_AREA_HELD), COVBUF_MODE_CMP, COVBUF_RING, 64);
	use_area(base, 2, COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_MODE_PC, COVBUF_RING, 128);
	use_area(base, 3, COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_MODE_CMP, COVBUF_RING, 64);
	push(base, 0, 2);
	push(base, 0, 3);
	use_area(base, 4, COVBUF_FLAG(2, DEAD, COVBUF_AREA_HELD), COVBUF_MODE_PC, COVBUF_RING, 64);
}

static void make_recording(char *base)
{
	struct covbuf_owner_slot *owners = part(base, 3);

	make_users(base);
	header_of(base)->automatic = (struct covbuf_auto){ .enabled = 1, .flags = COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW };
	owners[0].flags = COVBUF_OWNER_KEEP;
	for (uint32_t i = 0; i < NR_AREAS; i++)
		use_area(base, i, COVBUF_FLAG(2, 1, COVBUF_AREA_ENDED), i & 1, i == 4 ? COVBUF_COUNTED : COVBUF_LINEAR,
			 i == 4 ? 9 : i ? 64 : covbuf_class_words(0));
}

void image_make_templates(void)
{
	make_empty(templates[EMPTY]);
	make_busy(templates[BUSY]);
	make_rings(templates[RINGS]);
	make_recording(templates[RECORDING]);
}

const char *image_template(unsigned int number)
{
	return templates[number % NR_TEMPLATES];
}
