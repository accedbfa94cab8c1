// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Observing: one entry of a segment's tables at a time, copied out, checked, and cut to what can be.
 *
 * Everything is read by pread() from the descriptor: a file that is cut short under the reader is an
 * error then, and no SIGBUS. What pread() gives is not atomic in any way. An entry is therefore read
 * three times. Words that identify it must be the same each time, or all is done again. Words that are
 * counted on meanwhile, such as losses, are taken from the reading in the middle: it lies between two
 * of the others, so it is no number that a half-copied word made up, unless two copies of three were
 * torn.
 *
 * Words that are the same in two readings, one after the other, were not torn: a torn word has bytes
 * of a newer value, so what is read later has all bytes of that value, or of one still newer.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "view.h"

#define TRIES 16
#define READINGS 3
#define MAX_ENTRY_WORDS 64

int covb_view_read(const struct covbuf_segment *segment, uint64_t offset_bytes, void *to, size_t bytes)
{
	char *at = to;

	while (bytes) {
		ssize_t got = pread(segment->fd, at, bytes, (off_t)offset_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		at += got;
		offset_bytes += (uint64_t)got;
		bytes -= (size_t)got;
	}
	covb_mb(); /* each reading is after the one before: "no older than" above rests on it */
	return 0;
}

/* Words [from, to) of an entry that move while it stays what it is. */
struct span {
	uint32_t from, to;
};

#define SPAN(type, first, last)                                                                    \
	{ offsetof(type, first) / 8, (offsetof(type, last) + sizeof(((type *)0)->last) + 7) / 8 }

static bool moves(const struct span *spans, uint32_t nr_spans, uint32_t word)
{
	for (uint32_t i = 0; i < nr_spans; i++) {
		if (word >= spans[i].from && word < spans[i].to)
			return true;
	}
	return false;
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c)
{
	if ((a <= b) == (b <= c))
		return b;
	return (b <= a) == (a <= c) ? a : c;
}

/* Put three readings together. False: the entry became another one meanwhile. */
static bool settle(uint64_t readings[READINGS][MAX_ENTRY_WORDS], uint32_t nr_words, const struct span *spans,
		   uint32_t nr_spans, uint64_t *out)
{
	for (uint32_t i = 0; i < nr_words; i++) {
		uint64_t a = readings[0][i], b = readings[1][i], c = readings[2][i];

		if (moves(spans, nr_spans, i))
			out[i] = middle(a, b, c);
		else if (a == b && b == c)
			out[i] = a;
		else
			return false;
	}
	return true;
}

/* Copy entry i of a table. -ENOENT beyond the table, -EAGAIN: it keeps becoming another one. */
static int read_entry(const struct covbuf_segment *segment, const struct covbuf_table *table, uint32_t i,
		      const struct span *spans, uint32_t nr_spans, void *out, size_t bytes)
{
	uint64_t readings[READINGS][MAX_ENTRY_WORDS];
	uint64_t settled[MAX_ENTRY_WORDS];
	uint64_t offset_bytes;

	if (i >= table->nr)
		return -ENOENT;
	if (table->entry_bytes < bytes)
		return -EPROTO;
	offset_bytes = table->offset_bytes + (uint64_t)i * table->entry_bytes;
	for (int try = 0; try < TRIES; try++) {
		for (int r = 0; r < READINGS; r++) {
			int err = covb_view_read(segment, offset_bytes, readings[r], bytes);

			if (err)
				return err;
		}
		if (settle(readings, (uint32_t)(bytes / 8), spans, nr_spans, settled)) {
			memcpy(out, settled, bytes);
			return 0;
		}
	}
	return -EAGAIN;
}

static void terminate(char *text, size_t bytes)
{
	text[bytes - 1] = '\0';
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

COVBUF_PUBLIC int covbuf_view_header(struct covbuf_segment *segment, struct covbuf_header *out)
{
	const struct covb_layout *layout = &segment->layout;
	struct covbuf_header header;
	int err = covb_view_read(segment, 0, &header, sizeof(header));

	if (err)
		return err;
	if (header.magic != COVBUF_MAGIC || header.version != COVBUF_VERSION)
		return -EPROTO;
	/* What was checked when the segment was opened is what counts, whatever stands there now. */
	header.limit_bytes = layout->limit_bytes;
	header.procs = layout->procs;
	header.contexts = layout->contexts;
	header.owners = layout->owners;
	header.modules = layout->modules;
	header.areas = layout->areas;
	header.data_offset_bytes = layout->data_offset_bytes;
	header.automatic = layout->automatic;
	header.size_bytes = at_most(header.size_bytes, layout->limit_bytes);
	header.nr_areas = (uint32_t)at_most(header.nr_areas, layout->areas.nr);
	header.nr_retired = (uint32_t)at_most(header.nr_retired, header.nr_areas);
	*out = header;
	return 0;
}

COVBUF_PUBLIC int covbuf_view_proc(struct covbuf_segment *segment, uint32_t i, struct covbuf_proc *out)
{
	static const struct span moving[] = { SPAN(struct covbuf_proc, lost, lost) };
	struct covbuf_proc proc;
	int err = read_entry(segment, &segment->layout.procs, i, moving, 1, &proc, sizeof(proc));

	if (err)
		return err;
	if ((proc.state & 0xff) == COVBUF_PROC_NONE)
		return -ENOENT;
	if ((proc.state & 0xff) > COVBUF_PROC_ENDED)
		return -EPROTO;
	terminate(proc.path, sizeof(proc.path));
	*out = proc;
	return 0;
}

COVBUF_PUBLIC bool covbuf_proc_alive(struct covbuf_segment *segment, uint32_t i)
{
	struct covbuf_proc proc;

	if (i == 0 || covbuf_view_proc(segment, i, &proc) || (proc.state & 0xff) != COVBUF_PROC_LIVE)
		return false;
	return !covb_process_dead(segment, i);
}

COVBUF_PUBLIC int covbuf_view_context(struct covbuf_segment *segment, uint32_t i, struct covbuf_context_slot *out)
{
	static const struct span moving[] = { SPAN(struct covbuf_context_slot, lost, lost) };
	struct covbuf_context_slot slot;
	int err = read_entry(segment, &segment->layout.contexts, i, moving, 1, &slot, sizeof(slot));

	if (err)
		return err;
	if ((slot.state & 0xff) == COVBUF_CONTEXT_NONE)
		return -ENOENT;
	if ((slot.state & 0xff) > COVBUF_CONTEXT_ENDED)
		return -EPROTO;
	terminate(slot.name, sizeof(slot.name));
	*out = slot;
	return 0;
}

COVBUF_PUBLIC int covbuf_view_owner(struct covbuf_segment *segment, uint32_t i, struct covbuf_owner_slot *out)
{
	static const struct span moving[] = { SPAN(struct covbuf_owner_slot, queue, merge_lost) };
	struct covbuf_owner_slot slot;
	int err = read_entry(segment, &segment->layout.owners, i, moving, 1, &slot, sizeof(slot));

	if (err)
		return err;
	if ((slot.state & 0xff) == COVBUF_OWNER_NONE)
		return -ENOENT;
	if ((slot.state & 0xff) > COVBUF_OWNER_LIVE || slot.mode >= COVBUF_NR_MODES || slot.kind > COVBUF_COUNTED ||
	    slot.area_class >= COVBUF_NR_CLASSES)
		return -EPROTO;
	if (slot.target > segment->layout.areas.nr)
		slot.target = 0;
	if (slot.queue > segment->layout.areas.nr)
		slot.queue = 0;
	slot.nr_handles = (uint32_t)at_most(slot.nr_handles, COVBUF_REMOTE_MAX_HANDLES + 1);
	terminate(slot.name, sizeof(slot.name));
	*out = slot;
	return 0;
}

COVBUF_PUBLIC int covbuf_view_module(struct covbuf_segment *segment, uint32_t i, struct covbuf_module *out)
{
	struct covbuf_module module;
	int err = read_entry(segment, &segment->layout.modules, i, NULL, 0, &module, sizeof(module));

	if (err)
		return err;
	if (module.state < 2)
		return -ENOENT;
	if (module.state > 2 || module.start > module.end)
		return -EPROTO;
	if (module.proc >= segment->layout.procs.nr)
		module.proc = 0;
	module.build_id_bytes = (uint32_t)at_most(module.build_id_bytes, sizeof(module.build_id));
	terminate(module.path, sizeof(module.path));
	*out = module;
	return 0;
}

/* Check against the storage as it is now: an area may have been made since the segment was opened. */
static int check_area(const struct covbuf_segment *segment, struct covbuf_area *area)
{
	uint64_t size_bytes;
	int err = covb_view_read(segment, offsetof(struct covbuf_header, size_bytes), &size_bytes, sizeof(size_bytes));

	return err ? err : covb_area_check(&segment->layout, size_bytes, area);
}

COVBUF_PUBLIC int covbuf_view_area(struct covbuf_segment *segment, uint32_t i, struct covbuf_area *out)
{
	static const struct span moving[] = { SPAN(struct covbuf_area, position, claimed) };
	struct covbuf_area area;
	int err = read_entry(segment, &segment->layout.areas, i, moving, 1, &area, sizeof(area));

	if (!err)
		err = check_area(segment, &area);
	if (!err)
		*out = area;
	return err;
}

int covb_view_area_now(const struct covbuf_segment *segment, uint32_t i, struct covbuf_area *out)
{
	const struct covbuf_table *table = &segment->layout.areas;
	struct covbuf_area area;
	int err;

	if (i >= table->nr)
		return -ENOENT;
	err = covb_view_read(segment, table->offset_bytes + (uint64_t)i * table->entry_bytes, &area, sizeof(area));
	if (!err)
		err = check_area(segment, &area);
	if (!err)
		*out = area;
	return err;
}
