// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading a segment, in a file or live, as an observer.
 */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "crew.h"
#include "kernel_file.h"
#include "progress.h"
#include "stream.h"
#include "strings.h"

/* Addresses of a binary: no file is as large, and sums of some thousand do not wrap. */
#define MAX_SPAN_BYTES (1ull << 47)

const char *loss_name(unsigned int cause)
{
	static const char *const names[COVBUF_NR_LOSSES] = {
		[COVBUF_LOST_FULL] = "full",	       [COVBUF_LOST_NO_AREA] = "no area",
		[COVBUF_LOST_UNKNOWN] = "unknown",     [COVBUF_LOST_SHUT] = "shut",
		[COVBUF_LOST_LEVEL] = "level",	       [COVBUF_LOST_ABANDONED] = "abandoned",
		[COVBUF_LOST_STALE] = "stale",	       [COVBUF_LOST_INVALID] = "invalid",
	};

	return cause < COVBUF_NR_LOSSES ? names[cause] : "?";
}

static const char *advise(const struct recording *recording, unsigned int loss)
{
	if (loss == COVBUF_LOST_FULL)
		return recording->kernel ? "" : recording->streams ? "; the programs were faster than the drain" :
								     "; a higher --limit may help";
	if (loss == COVBUF_LOST_NO_AREA)
		return recording->kernel ? "; covbuf.ko's parameters 'areas' and 'area_kb' make more" :
					   "; a higher --limit may help";
	return "";
}

/* One address for each path with a build-id: what the index goes by. */
static uint64_t name_module(const struct covbuf_module *row)
{
	char id[2 * sizeof(row->build_id) + 1] = "";

	for (uint32_t i = 0; i < row->build_id_bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", row->build_id[i]);
	return (uint64_t)(uintptr_t)intern_printf("%s\n%s", row->path, id);
}

static uint32_t find_module(struct recording *recording, const struct covbuf_module *row)
{
	uint32_t i = index_find(&recording->names, name_module(row), (uint32_t)recording->nr_modules);
	uint64_t span = row->end - row->bias;
	struct recording_module *module;

	if (i < recording->nr_modules) {
		module = &recording->modules[i];
		if (span > module->span)
			module->span = span;
		return i;
	}
	recording->modules = must_grow(recording->modules, recording->nr_modules, &recording->room_modules,
				       sizeof(*recording->modules));
	module = &recording->modules[recording->nr_modules++];
	*module = (struct recording_module){ .path = intern(row->path), .build_id_bytes = row->build_id_bytes, .span = span };
	memcpy(module->build_id, row->build_id, row->build_id_bytes);
	recording->kernel |= kernel_file_split(module->path, &module->file, &module->place);
	return i;
}

bool recording_add_module(struct recording *recording, struct address_map *map, const struct covbuf_module *row)
{
	if (row->state != 2 || row->start >= row->end || row->bias > row->start ||
	    row->end - row->bias > MAX_SPAN_BYTES || row->build_id_bytes > sizeof(row->build_id))
		return false;
	addresses_add(map, row, find_module(recording, row));
	return true;
}

struct reading {
	struct recording *recording;
	struct address_map map;
	struct covbuf_segment *segment;
	const struct covbuf_header *header;
	pthread_mutex_t lock;	/* held to take an area */
	uint32_t next;		/* area */
	uint64_t words_left;
};

uint64_t segment_max_words(struct covbuf_segment *segment)
{
	struct stat st;

	return fstat(covbuf_segment_descriptor(segment), &st) ? 0 : (uint64_t)st.st_size / 8 * 2;
}

static int take_records(const struct covbuf_area *area, const uint64_t *records, uint64_t nr, void *arg)
{
	tally_add(arg, area->mode, records, nr);
	return 0;
}

/* A finished area with a count and no room for one more record. */
static bool is_full(const struct covbuf_area *area, int64_t records)
{
	uint64_t step = area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	return area->kind == COVBUF_COUNTED && COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_ENDED &&
	       (uint64_t)records >= (area->nr_words - 1) / step;
}

static void read_modules(struct reading *reading)
{
	for (uint32_t i = 0; i < reading->header->modules.nr; i++) {
		struct covbuf_module row;
		int err = covbuf_view_module(reading->segment, i, &row);

		if (err == -ENOENT)
			continue;
		if (err || !recording_add_module(reading->recording, &reading->map, &row))
			reading->recording->damaged++;
	}
}

static void add_losses(struct recording *recording, const uint64_t *lost)
{
	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
		recording->lost[i] += lost[i];
}

static void read_losses(struct reading *reading)
{
	for (uint32_t i = 0; i < reading->header->contexts.nr; i++) {
		struct covbuf_context_slot slot;

		if (!covbuf_view_context(reading->segment, i, &slot))
			add_losses(reading->recording, slot.lost);
	}
	for (uint32_t i = 1; i < reading->header->procs.nr; i++) {
		struct covbuf_proc proc;

		if (!covbuf_view_proc(reading->segment, i, &proc))
			add_losses(reading->recording, proc.lost);
	}
	reading->recording->lost_contexts += reading->header->lost_contexts;
	reading->recording->lost_procs += reading->header->lost_procs;
	reading->recording->lost_modules += reading->header->lost_modules;
}

static bool holds_records(const struct covbuf_area *area)
{
	switch (COVBUF_FLAG_STATE(area->flag)) {
	case COVBUF_AREA_HELD:
	case COVBUF_AREA_QUEUED:
	case COVBUF_AREA_READING:
	case COVBUF_AREA_ENDED:
	case COVBUF_AREA_TARGET:
		return true;
	default:
		return false;
	}
}

/* The next area to be read. False: there is none. */
static bool next_area(struct reading *reading, struct tally *tally, uint32_t *i, struct covbuf_area *area)
{
	bool found = false;

	pthread_mutex_lock(&reading->lock);
	while (!found && reading->next < reading->header->nr_areas) {
		int err = covbuf_view_area(reading->segment, *i = reading->next++, area);

		if (err) {
			tally->damaged += err != -ENOENT;
		} else if (holds_records(area)) {
			found = area->nr_words <= reading->words_left;
			if (found)
				reading->words_left -= area->nr_words;
			else
				tally->damaged++;
		}
		progress_at(reading->next, reading->header->nr_areas);
	}
	pthread_mutex_unlock(&reading->lock);
	return found;
}

/* An area that is being used for something else by now holds nothing for us; one that cannot be read is damage. */
static void read_areas(struct tally *tally, void *arg)
{
	struct reading *reading = arg;
	struct covbuf_area area;
	uint32_t i;

	while (next_area(reading, tally, &i, &area)) {
		uint64_t holes = 0;
		int64_t visited;

		addresses_select(&tally->space, &reading->map, area.pid, area.images, area.module_generation);
		visited = covbuf_view_runs(reading->segment, i, &area, take_records, tally, &holes);
		if (visited >= 0) {
			tally->holes += holes;
			tally->full += is_full(&area, visited);
		} else if (visited != -ESTALE) {
			tally->damaged++;
		}
	}
}

/* The library's sentences often begin with the file's name, which is there already. */
static void complain_unopened(const char *path, const char *why)
{
	size_t n = strlen(path);

	complain(path, "%s", !strncmp(why, path, n) && why[n] == ' ' ? why + n + 1 : why);
}

static int read_segment(struct recording *recording, const char *path)
{
	struct reading reading = { .recording = recording, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct covbuf_message why = { "" };
	struct covbuf_header header;
	int err;

	err = covbuf_segment_open(path, COVBUF_OPEN_READ, &reading.segment, &why);
	if (err) {
		complain_unopened(path, why.text);
		return err;
	}
	err = covbuf_view_header(reading.segment, &header);
	if (err) {
		complain(path, "its header cannot be read: %s", strerror(-err));
		goto out;
	}
	reading.header = &header;
	reading.words_left = segment_max_words(reading.segment);
	if (!recording->created_ns || (header.created_ns && header.created_ns < recording->created_ns))
		recording->created_ns = header.created_ns;
	read_modules(&reading);
	read_losses(&reading);
	crew_read(recording, header.size_bytes, read_areas, &reading);
out:
	addresses_fini(&reading.map);
	covbuf_segment_close(reading.segment);
	return err;
}

/* Whether a file begins as a stream does. What cannot be opened is left to the segment's better messages. */
static bool is_stream(const char *path)
{
	uint64_t magic = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool yes;

	if (fd < 0)
		return false;
	yes = pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == STREAM_MAGIC;
	close(fd);
	return yes;
}

struct covbuf_segment *open_segment(const char *path)
{
	struct covbuf_message why = { "" };
	struct covbuf_segment *segment;

	if (is_stream(path)) {
		complain(path, "it is a stream and has no threads to look at; 'covbuf report' and 'covbuf export' read it");
		return NULL;
	}
	if (!covbuf_segment_open(path, COVBUF_OPEN_READ, &segment, &why))
		return segment;
	complain_unopened(path, why.text);
	return NULL;
}

int recording_read(struct recording *recording, const char *path)
{
	char *what = must_printf("reading %s", path);
	int err;

	progress_begin(what);
	err = is_stream(path) ? stream_read(recording, path) : read_segment(recording, path);
	progress_end();
	recording->nr_files += !err;
	free(what);
	return err;
}

int recording_read_all(struct recording *recording, int argc, char **argv)
{
	int status = STATUS_OK;

	for (int i = optind; i < argc; i++)
		if (recording_read(recording, argv[i]))
			status = STATUS_FAILED;
	return status;
}

void recording_warn(const struct recording *recording, const char *name)
{
	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
		if (recording->lost[i])
			complain(name, "%" PRIu64 " %s lost while recording (%s)%s", recording->lost[i],
				 recording->lost[i] == 1 ? "record or section was" : "records or sections were", loss_name(i),
				 advise(recording, i));
	if (recording->full)
		complain(name, "%" PRIu64 " %s full: what came after is missing; a higher --size of 'covbuf kernel' keeps more",
			 recording->full, recording->full == 1 ? "area of kernel records is" : "areas of kernel records are");
	if (recording->lost_contexts)
		complain(name, "%" PRIu64 " threads found no room to record in", recording->lost_contexts);
	if (recording->lost_procs)
		complain(name, "%" PRIu64 " processes found no room to record in", recording->lost_procs);
	if (recording->lost_modules)
		complain(name, "%" PRIu64 " binaries and libraries found no room in its table", recording->lost_modules);
	if (recording->unknown)
		complain(name, "%" PRIu64 " of %" PRIu64 " records are in no module that the recording knows", recording->unknown,
			 recording->records);
	if (recording->damaged)
		complain(name, "%" PRIu64 " parts are damaged or cut off, and were left out", recording->damaged);
}

void recording_fini(struct recording *recording)
{
	for (size_t i = 0; i < recording->nr_modules; i++)
		for (unsigned int mode = 0; mode < COVBUF_NR_MODES; mode++)
			pcset_fini(&recording->modules[i].pcs[mode]);
	free(recording->modules);
	index_fini(&recording->names);
	*recording = (struct recording){ 0 };
}
