/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the parts of a segment are: planned for a new one, checked in one that somebody hands us. Pure
 * functions of their arguments. What passes the check here is what all of shm/ indexes with.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "shm.h"

#define DEFAULT_LIMIT_BYTES (256ull << 20)
#define DEFAULT_INITIAL_BYTES (1ull << 20)
#define MAX_AREAS (1u << 20)
#define AUTO_FLAGS                                                                                 \
	(COVBUF_AUTO_UNIQUE | COVBUF_AUTO_GROW | COVBUF_AUTO_FOLLOW | COVBUF_AUTO_KEEP | COVBUF_AUTO_UNIQUE_CONTEXT)

/* In the order in which they lie in the header, in struct covb_layout, and in the segment. */
enum { PROCS, CONTEXTS, OWNERS, MODULES, AREAS, NR_TABLES };

static const struct {
	const char *name;
	uint32_t entry_bytes;
	uint32_t min, max; /* entries. Processes: entry 0 names nobody, the last holder is the maker's */
} tables[NR_TABLES] = {
	[PROCS] = { "process", sizeof(struct covbuf_proc), 2, COVB_HOLDER_CONSUMER },
	[CONTEXTS] = { "context", sizeof(struct covbuf_context_slot), 1, 1u << 20 },
	[OWNERS] = { "owner", sizeof(struct covbuf_owner_slot), 1, 1u << 16 },
	[MODULES] = { "module", sizeof(struct covbuf_module), 1, 1u << 20 },
	[AREAS] = { "area", sizeof(struct covbuf_area), 1, MAX_AREAS },
};

COVBUF_STATIC_ASSERT(offsetof(struct covb_layout, areas) - offsetof(struct covb_layout, procs) ==
			     AREAS * sizeof(struct covbuf_table),
		     "tables follow one another");
COVBUF_STATIC_ASSERT(offsetof(struct covbuf_header, areas) - offsetof(struct covbuf_header, procs) ==
			     AREAS * sizeof(struct covbuf_table),
		     "likewise");

static uint64_t round_up_to_part(uint64_t bytes)
{
	return (bytes + COVBUF_PART_BYTES - 1) / COVBUF_PART_BYTES * COVBUF_PART_BYTES;
}

static bool is_whole_parts(uint64_t bytes)
{
	return bytes % COVBUF_PART_BYTES == 0;
}

/* NULL, or what is wrong with it. */
static const char *find_fault_in_automatic(const struct covbuf_auto *automatic, uint32_t nr_owners)
{
	if (automatic->enabled > 1)
		return "enabled";
	if (automatic->mode >= COVBUF_NR_MODES)
		return "mode";
	if (automatic->kind != COVBUF_LINEAR && automatic->kind != COVBUF_RING)
		return "kind of area";
	if (automatic->area_class >= COVBUF_NR_CLASSES)
		return "area class";
	if (automatic->flags & ~AUTO_FLAGS)
		return "flags";
	if (automatic->owner >= nr_owners)
		return "owner";
	return NULL;
}

static int check_options(const struct covbuf_segment_options *options, const struct covb_layout *layout,
			 const uint32_t *nr, struct covbuf_message *why)
{
	const char *fault = find_fault_in_automatic(&options->automatic, nr[OWNERS]);

	for (unsigned int i = 0; i < 4; i++)
		if (options->reserved[i])
			return covb_say(why, -EINVAL, "reserved options must be 0: is libcovbuf older than the program?");
	if (fault)
		return covb_say(why, -EINVAL, "how to record automatically: the %s is out of range", fault);
	for (unsigned int i = 0; i < AREAS; i++)
		if (nr[i] < tables[i].min || nr[i] > tables[i].max)
			return covb_say(why, -EINVAL, "%" PRIu32 " entries in the %s table: choose %" PRIu32 " to %" PRIu32,
					nr[i], tables[i].name, tables[i].min, tables[i].max);
	if (layout->limit_bytes > COVBUF_LOCK_CONSUMER)
		return covb_say(why, -EINVAL, "a limit of %" PRIu64 " bytes: a segment has %" PRIu64 " at most",
				layout->limit_bytes, (uint64_t)COVBUF_LOCK_CONSUMER);
	return 0;
}

/* Table after table behind the header; returns where the last one ends. */
static uint64_t place_tables(struct covbuf_table *table, const uint32_t *nr)
{
	uint64_t at = COVBUF_PART_BYTES;

	for (unsigned int i = 0; i < NR_TABLES; i++) {
		table[i] = (struct covbuf_table){ .offset_bytes = at, .nr = nr[i], .entry_bytes = tables[i].entry_bytes };
		at = round_up_to_part(at + (uint64_t)nr[i] * tables[i].entry_bytes);
	}
	return at;
}

int covb_layout_plan(const struct covbuf_segment_options *options, struct covb_layout *layout, uint32_t *nr_initial,
		     struct covbuf_message *why)
{
	uint64_t limit = options->limit_bytes ? options->limit_bytes : DEFAULT_LIMIT_BYTES;
	uint64_t initial = options->initial_bytes ? options->initial_bytes : DEFAULT_INITIAL_BYTES;
	uint64_t one_area, room;
	struct covb_layout plan = { .automatic = options->automatic };
	uint32_t nr[NR_TABLES] = {
		[PROCS] = options->nr_procs ? options->nr_procs : 256,
		[CONTEXTS] = options->nr_contexts ? options->nr_contexts : 4096,
		[OWNERS] = options->nr_owners ? options->nr_owners : 256,
		[MODULES] = options->nr_modules ? options->nr_modules : 1024,
	};
	struct covbuf_table table[NR_TABLES];
	int err;

	/* before rounding up: it must not wrap */
	plan.limit_bytes = limit > COVBUF_LOCK_CONSUMER ? limit : round_up_to_part(limit);
	err = check_options(options, &plan, nr, why);
	if (err)
		return err;
	nr[AREAS] = plan.limit_bytes / COVBUF_AREA_MIN_BYTES < MAX_AREAS ?
			    (uint32_t)(plan.limit_bytes / COVBUF_AREA_MIN_BYTES) : MAX_AREAS;
	plan.data_offset_bytes = place_tables(table, nr);
	memcpy(&plan.procs, table, sizeof(table));

	one_area = covbuf_class_bytes(options->automatic.area_class);
	room = plan.limit_bytes > plan.data_offset_bytes ? plan.limit_bytes - plan.data_offset_bytes : 0;
	if (initial < one_area)
		initial = one_area;
	if (!options->initial_bytes && initial > room && one_area <= room)
		initial = room;
	if (initial > room)
		return covb_say(why, -EINVAL,
				"a limit of %" PRIu64 " bytes is too small: the tables need %" PRIu64
				" and the first areas %" PRIu64 "; raise the limit or make the tables smaller",
				plan.limit_bytes, plan.data_offset_bytes, initial);
	*nr_initial = (uint32_t)(initial / one_area);
	*layout = plan;
	return 0;
}

static int check_table(const char *name, unsigned int i, const struct covbuf_table *table, uint64_t data_offset_bytes,
		       struct covbuf_message *why)
{
	if (table->entry_bytes != tables[i].entry_bytes)
		return covb_say(why, -EPROTO,
				"%s is damaged: entries of the %s table have %" PRIu32 " bytes instead of %" PRIu32, name,
				tables[i].name, table->entry_bytes, tables[i].entry_bytes);
	if (table->nr < tables[i].min || table->nr > tables[i].max)
		return covb_say(why, -EPROTO,
				"%s is damaged: the %s table has %" PRIu32 " entries, possible are %" PRIu32 " to %" PRIu32, name,
				tables[i].name, table->nr, tables[i].min, tables[i].max);
	if (!is_whole_parts(table->offset_bytes))
		return covb_say(why, -EPROTO, "%s is damaged: the %s table at %" PRIu64 " is not aligned to 64 KiB", name,
				tables[i].name, table->offset_bytes);
	/* the end cannot wrap: the offset is below data_offset, which is below 2^40, when it is computed */
	if (table->offset_bytes < COVBUF_PART_BYTES || table->offset_bytes >= data_offset_bytes ||
	    (uint64_t)table->nr * table->entry_bytes > data_offset_bytes - table->offset_bytes)
		return covb_say(why, -EPROTO,
				"%s is damaged: the %s table at %" PRIu64 " is not between the header and the data at %" PRIu64,
				name, tables[i].name, table->offset_bytes, data_offset_bytes);
	return 0;
}

static int check_overlap(const char *name, const struct covbuf_table *table, struct covbuf_message *why)
{
	for (unsigned int i = 0; i < NR_TABLES; i++) {
		for (unsigned int j = i + 1; j < NR_TABLES; j++) {
			uint64_t end_i = table[i].offset_bytes + (uint64_t)table[i].nr * table[i].entry_bytes;
			uint64_t end_j = table[j].offset_bytes + (uint64_t)table[j].nr * table[j].entry_bytes;

			if (table[i].offset_bytes < end_j && table[j].offset_bytes < end_i)
				return covb_say(why, -EPROTO, "%s is damaged: its %s table and its %s table overlap", name,
						tables[i].name, tables[j].name);
		}
	}
	return 0;
}

static int check_identity(const char *name, const struct covbuf_header *header, struct covbuf_message *why)
{
	if (!header->magic)
		return covb_say(why, -EPROTO,
				"%s is not a segment, or not yet: it is still being made, or its maker died while making it", name);
	if (header->magic != COVBUF_MAGIC)
		return covb_say(why, -EPROTO, "%s is not a segment of libcovbuf: it begins with other bytes", name);
	if (header->version != COVBUF_VERSION)
		return covb_say(why, -EPROTO,
				"%s is of version %" PRIu32 " of the segment format, and this libcovbuf reads version %d; "
				"use the libcovbuf that made it",
				name, header->version, COVBUF_VERSION);
	if (header->header_bytes != sizeof(struct covbuf_header))
		return covb_say(why, -EPROTO, "%s is damaged: its header has %" PRIu32 " bytes instead of %zu", name,
				header->header_bytes, sizeof(struct covbuf_header));
	return 0;
}

static int check_storage(const char *name, const struct covbuf_header *header, uint64_t storage_bytes, bool mapped,
			 struct covbuf_message *why)
{
	uint64_t size_bytes = header->size_bytes;

	if (storage_bytes < header->data_offset_bytes)
		return covb_say(why, -EPROTO,
				"%s is cut short: it has %" PRIu64 " bytes and its tables alone need %" PRIu64
				"; copy it again from where it came", name, storage_bytes, header->data_offset_bytes);
	if (size_bytes < header->data_offset_bytes || size_bytes > header->limit_bytes)
		return covb_say(why, -EPROTO,
				"%s is damaged: it claims %" PRIu64 " bytes of storage, possible are %" PRIu64 " to %" PRIu64, name,
				size_bytes, header->data_offset_bytes, header->limit_bytes);
	/* an observer can still read what there is; whoever maps it would be killed by SIGBUS */
	if (mapped && size_bytes > storage_bytes)
		return covb_say(why, -EPROTO,
				"%s is cut short: it has %" PRIu64 " of its %" PRIu64 " bytes; it can be read, but not used further",
				name, storage_bytes, size_bytes);
	return 0;
}

int covb_layout_check(const char *name, const struct covbuf_header *header, uint64_t storage_bytes, bool mapped,
		      struct covb_layout *layout, struct covbuf_message *why)
{
	struct covbuf_table table[NR_TABLES];
	const char *fault;
	int err = check_identity(name, header, why);

	if (err)
		return err;
	if (!is_whole_parts(header->limit_bytes) || header->limit_bytes > COVBUF_LOCK_CONSUMER)
		return covb_say(why, -EPROTO, "%s is damaged: its limit is %" PRIu64 " bytes", name, header->limit_bytes);
	if (!is_whole_parts(header->data_offset_bytes) || header->data_offset_bytes > header->limit_bytes)
		return covb_say(why, -EPROTO, "%s is damaged: its data begin at %" PRIu64 ", with a limit of %" PRIu64, name,
				header->data_offset_bytes, header->limit_bytes);
	memcpy(table, &header->procs, sizeof(table));
	for (unsigned int i = 0; i < NR_TABLES; i++) {
		err = check_table(name, i, &table[i], header->data_offset_bytes, why);
		if (err)
			return err;
	}
	err = check_overlap(name, table, why);
	if (err)
		return err;
	fault = find_fault_in_automatic(&header->automatic, table[OWNERS].nr);
	if (fault)
		return covb_say(why, -EPROTO, "%s is damaged: how to record automatically: the %s is out of range", name,
				fault);
	err = check_storage(name, header, storage_bytes, mapped, why);
	if (err)
		return err;

	*layout = (struct covb_layout){
		.limit_bytes = header->limit_bytes,
		.data_offset_bytes = header->data_offset_bytes,
		.automatic = header->automatic,
	};
	memcpy(&layout->procs, table, sizeof(table));
	return 0;
}
