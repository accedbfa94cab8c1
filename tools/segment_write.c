// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "segment_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "temporary.h"

#define MAX_CLASS (COVBUF_NR_CLASSES - 1)

static uint64_t round_up_to_part(uint64_t bytes)
{
	return (bytes + COVBUF_PART_BYTES - 1) / COVBUF_PART_BYTES * COVBUF_PART_BYTES;
}

/* Smallest class that holds so many words, or the largest. */
static uint32_t choose_class(uint64_t nr_words)
{
	uint32_t area_class = 0;

	while (area_class < MAX_CLASS && covbuf_class_words(area_class) < nr_words)
		area_class++;
	return area_class;
}

struct layout {
	struct covbuf_header header;
	struct covbuf_area *areas;
	struct piece {
		const uint64_t *words;
		uint64_t nr_words;
	} *pieces; /* what goes into each area */
	uint64_t end_bytes;
};

static void place_table(struct covbuf_table *table, uint64_t *at, uint32_t nr, uint32_t entry_bytes)
{
	*table = (struct covbuf_table){ .offset_bytes = *at, .nr = nr, .entry_bytes = entry_bytes };
	*at = round_up_to_part(*at + (uint64_t)nr * entry_bytes);
}

static uint32_t choose_counted_class(uint64_t nr_words)
{
	uint32_t area_class = 0;

	while (area_class < MAX_CLASS && covbuf_class_bytes(area_class) / 8 < nr_words)
		area_class++;
	return area_class;
}

static uint32_t count_areas(const struct segment_contents *contents)
{
	uint64_t most = covbuf_class_words(MAX_CLASS);
	uint32_t nr = 0;

	for (uint32_t i = 0; i < contents->nr_words; i++)
		nr += contents->words[i].counted ? 1 : (uint32_t)((contents->words[i].nr_words + most - 1) / most);
	return nr;
}

static struct covbuf_area *add_area(struct layout *layout, const struct segment_contents *contents,
				    const struct segment_words *run, uint32_t area_class, struct piece piece)
{
	uint32_t i = layout->header.nr_areas++;

	layout->pieces[i] = piece;
	layout->areas[i] = (struct covbuf_area){
		.flag = COVBUF_FLAG(1, run->proc, COVBUF_AREA_ENDED),
		.offset_bytes = layout->end_bytes,
		.area_class = area_class,
		.mode = (uint8_t)run->mode,
		.owner = 1,
		.context = run->context,
		.pid = contents->procs[run->proc - 1].pid,
		.tid = run->tid,
	};
	layout->end_bytes += covbuf_class_bytes(area_class);
	return &layout->areas[i];
}

/* filled_words stays 0: the count says it. */
static void place_counted(struct layout *layout, const struct segment_contents *contents, const struct segment_words *run)
{
	uint64_t step = run->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t nr_words = 1 + run->nr_words + (run->full ? 0 : step);
	struct covbuf_area *area = add_area(layout, contents, run, choose_counted_class(nr_words),
					     (struct piece){ run->words, run->nr_words });

	area->kind = COVBUF_COUNTED;
	area->nr_words = (uint32_t)nr_words;
}

/* The areas of one run of words: one, or several of the largest class. */
static void place_words(struct layout *layout, const struct segment_contents *contents, const struct segment_words *run)
{
	uint64_t done = 0;
	uint32_t serial = 0;

	while (done < run->nr_words) {
		uint32_t area_class = choose_class(run->nr_words - done);
		uint64_t most = covbuf_class_words(area_class);
		uint64_t nr = run->nr_words - done < most ? run->nr_words - done : most;
		struct covbuf_area *area =
			add_area(layout, contents, run, area_class, (struct piece){ run->words + done, nr });

		area->nr_words = (uint32_t)nr;
		area->serial = serial++;
		area->filled_words = nr;
		done += nr;
	}
}

/* Zero, and on lines of their own, as the type says. */
static struct covbuf_area *alloc_areas(uint32_t nr)
{
	size_t bytes = (nr ? nr : 1) * sizeof(struct covbuf_area);
	struct covbuf_area *areas = aligned_alloc(_Alignof(struct covbuf_area), bytes);

	if (!areas) {
		complain(NULL, "out of memory");
		exit(STATUS_FAILED);
	}
	return memset(areas, 0, bytes);
}

static void plan(struct layout *layout, const struct segment_contents *contents)
{
	uint32_t nr_areas = count_areas(contents);
	uint64_t at = COVBUF_PART_BYTES;
	struct covbuf_header *header = &layout->header;

	*header = (struct covbuf_header){
		.magic = COVBUF_MAGIC,
		.version = COVBUF_VERSION,
		.header_bytes = sizeof(*header),
		.created_ns = contents->created_ns,
		.lost_contexts = contents->lost_contexts,
		.lost_procs = contents->lost_procs,
		.maker_pid = contents->maker_pid,
		.module_generation = 1,
	};
	place_table(&header->procs, &at, contents->nr_procs + 1 < 2 ? 2 : contents->nr_procs + 1,
		    sizeof(struct covbuf_proc));
	place_table(&header->contexts, &at, contents->nr_contexts ? contents->nr_contexts : 1,
		    sizeof(struct covbuf_context_slot));
	place_table(&header->owners, &at, 1, sizeof(struct covbuf_owner_slot));
	place_table(&header->modules, &at, contents->nr_modules ? contents->nr_modules : 1,
		    sizeof(struct covbuf_module));
	place_table(&header->areas, &at, nr_areas ? nr_areas : 1, sizeof(struct covbuf_area));
	header->data_offset_bytes = at;
	layout->end_bytes = at;
	layout->areas = alloc_areas(nr_areas);
	layout->pieces = must_alloc(nr_areas * sizeof(*layout->pieces));
	for (uint32_t i = 0; i < contents->nr_words; i++)
		if (contents->words[i].counted)
			place_counted(layout, contents, &contents->words[i]);
		else
			place_words(layout, contents, &contents->words[i]);
	header->size_bytes = layout->end_bytes;
	/* A segment is mapped up to its limit, so there is room for one area even where there is none. */
	header->limit_bytes = layout->end_bytes + COVBUF_AREA_MIN_BYTES;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, uint64_t nr)
{
	const unsigned char *p = bytes;

	for (uint64_t i = 0; i < nr; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

/* The segment's name: of its contents, so that the same coverage has the same. */
static void name_contents(struct layout *layout, const struct segment_contents *contents)
{
	uint64_t hash[2] = { 0xcbf29ce484222325ull, 0x84222325cbf29ce4ull };

	for (unsigned int k = 0; k < 2; k++) {
		hash[k] = hash_bytes(hash[k], contents->modules, contents->nr_modules * sizeof(*contents->modules));
		for (uint32_t i = 0; i < contents->nr_words; i++)
			hash[k] = hash_bytes(hash[k], contents->words[i].words, contents->words[i].nr_words * 8);
	}
	memcpy(layout->header.uuid, hash, sizeof(hash));
}

static bool put(FILE *out, uint64_t offset_bytes, const void *bytes, size_t nr)
{
	return !nr || (!fseeko(out, (off_t)offset_bytes, SEEK_SET) && fwrite(bytes, nr, 1, out) == 1);
}

static bool put_guard(FILE *out, const struct covbuf_area *area)
{
	uint64_t guard[COVBUF_GUARD_WORDS];

	memset(guard, 0xff, sizeof(guard));
	return put(out, area->offset_bytes + covbuf_class_bytes(area->area_class) - sizeof(guard), guard, sizeof(guard));
}

static bool put_area(FILE *out, const struct covbuf_area *area, const struct piece *piece)
{
	uint64_t step = area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t count = piece->nr_words / step;

	if (area->kind == COVBUF_COUNTED)
		return put(out, area->offset_bytes, &count, sizeof(count)) &&
		       put(out, area->offset_bytes + sizeof(count), piece->words, piece->nr_words * 8);
	return put(out, area->offset_bytes, piece->words, piece->nr_words * 8) && put_guard(out, area);
}

static bool put_all(FILE *out, const struct layout *layout, const struct segment_contents *contents)
{
	const struct covbuf_header *header = &layout->header;
	struct covbuf_owner_slot owner = { .state = COVBUF_OWNER_LIVE | 1ull << 24 };
	bool ok;

	snprintf(owner.name, sizeof(owner.name), "%s", contents->owner);
	ok = put(out, 0, header, sizeof(*header)) &&
		  put(out, header->procs.offset_bytes + sizeof(struct covbuf_proc), contents->procs,
		      contents->nr_procs * sizeof(*contents->procs)) &&
		  put(out, header->contexts.offset_bytes, contents->contexts,
		      contents->nr_contexts * sizeof(*contents->contexts)) &&
		  put(out, header->owners.offset_bytes, &owner, sizeof(owner)) &&
		  put(out, header->modules.offset_bytes, contents->modules,
		      contents->nr_modules * sizeof(*contents->modules)) &&
		  put(out, header->areas.offset_bytes, layout->areas, header->nr_areas * sizeof(*layout->areas));

	for (uint32_t i = 0; ok && i < header->nr_areas; i++)
		ok = put_area(out, &layout->areas[i], &layout->pieces[i]);
	return ok && !fflush(out) && !ftruncate(fileno(out), (off_t)layout->end_bytes);
}

static int write_file(const char *path, const struct layout *layout, const struct segment_contents *contents)
{
	char *target = output_path(path);
	FILE *out;
	int fd, err = 0;

	if (!target)
		return -EEXIST;
	fd = temporary_open(target);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out || !put_all(out, layout, contents))
		err = errno;
	if (out && fclose(out) && !err)
		err = errno;
	if (!err && temporary_keep(target))
		err = errno;
	if (err)
		complain(path, "cannot be written: %s", strerror(err));
	temporary_drop();
	free(target);
	return -err;
}

int segment_write(const char *path, const struct segment_contents *contents)
{
	struct layout layout;
	int err;

	plan(&layout, contents);
	name_contents(&layout, contents);
	err = write_file(path, &layout, contents);
	free(layout.areas);
	free(layout.pieces);
	return err;
}
