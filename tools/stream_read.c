// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading a stream, twice: first for its last tables, then for the records, which those resolve.
 * Nothing in it is believed: sizes are checked against what is there before anything is unpacked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "command.h"
#include "progress.h"
#include "stream.h"

struct reader {
	const char *path;
	int fd;
	uint64_t at, end;
	char *stored, *raw;
	size_t stored_room, raw_room;
	struct stream_block head;
	struct recording *recording;
	struct address_map map;
};

static bool read_at(const struct reader *reader, uint64_t at, void *to, size_t nr)
{
	char *p = to;

	while (nr) {
		ssize_t n = pread(reader->fd, p, nr, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		at += (uint64_t)n;
		nr -= (size_t)n;
	}
	return true;
}

static void make_room(char **bytes, size_t *room, size_t want)
{
	if (*room >= want)
		return;
	*bytes = must_realloc(*bytes, want);
	*room = want;
}

/* The head of the block at reader->at; false: the file ends here, in whatever way. */
static bool read_head(struct reader *reader)
{
	struct stream_block *head = &reader->head;

	if (reader->end - reader->at < sizeof(*head) || !read_at(reader, reader->at, head, sizeof(*head)))
		return false;
	return head->magic == STREAM_BLOCK_MAGIC && head->raw_bytes <= STREAM_BLOCK_MAX_BYTES &&
	       head->stored_bytes <= ZSTD_compressBound(STREAM_BLOCK_MAX_BYTES) &&
	       head->stored_bytes <= reader->end - reader->at - sizeof(*head);
}

static void skip_block(struct reader *reader)
{
	reader->at += sizeof(reader->head) + reader->head.stored_bytes;
}

static bool unpack(struct reader *reader)
{
	size_t n;

	make_room(&reader->stored, &reader->stored_room, reader->head.stored_bytes);
	make_room(&reader->raw, &reader->raw_room, reader->head.raw_bytes ? reader->head.raw_bytes : 1);
	if (!read_at(reader, reader->at + sizeof(reader->head), reader->stored, reader->head.stored_bytes))
		return false;
	n = ZSTD_decompress(reader->raw, reader->head.raw_bytes, reader->stored, reader->head.stored_bytes);
	return !ZSTD_isError(n) && n == reader->head.raw_bytes;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void take_row(struct reader *reader, uint32_t type, const char *entry, size_t entry_bytes)
{
	struct recording *recording = reader->recording;
	struct covbuf_context_slot context;
	struct stream_totals totals;
	struct covbuf_module module;
	struct covbuf_proc proc;

	if (type == STREAM_TABLE_MODULES && entry_bytes == sizeof(module)) {
		memcpy(&module, entry, sizeof(module));
		module.path[sizeof(module.path) - 1] = 0;
		recording->damaged += !recording_add_module(recording, &reader->map, &module);
	} else if (type == STREAM_TABLE_CONTEXTS && entry_bytes == sizeof(context)) {
		memcpy(&context, entry, sizeof(context));
		for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
			recording->lost[i] += context.lost[i];
	} else if (type == STREAM_TABLE_PROCS && entry_bytes == sizeof(proc)) {
		memcpy(&proc, entry, sizeof(proc));
		for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
			recording->lost[i] += proc.lost[i];
	} else if (type == STREAM_TABLE_TOTALS && entry_bytes == sizeof(totals)) {
		memcpy(&totals, entry, sizeof(totals));
		recording->lost_contexts += totals.lost_contexts;
		recording->lost_procs += totals.lost_procs;
		recording->holes += totals.holes;
	}
}

static void take_tables(struct reader *reader)
{
	size_t at = 0, end = reader->head.raw_bytes;
	struct stream_table table;

	while (end - at >= sizeof(table)) {
		memcpy(&table, reader->raw + at, sizeof(table));
		at += sizeof(table);
		if (table.row_bytes < sizeof(uint64_t) || table.nr > (end - at) / table.row_bytes) {
			reader->recording->damaged++;
			return;
		}
		for (uint32_t i = 0; i < table.nr; i++, at += table.row_bytes)
			take_row(reader, table.type, reader->raw + at + sizeof(uint64_t),
				 table.row_bytes - sizeof(uint64_t));
	}
}

/* Find the last tables that can be read, and whether the writer finished. */
static void read_tables(struct reader *reader, bool *finished)
{
	uint64_t start = reader->at, last = 0;

	*finished = false;
	for (; read_head(reader); skip_block(reader)) {
		if (reader->head.type == STREAM_TABLES && unpack(reader))
			last = reader->at;
		*finished = reader->head.type == STREAM_END;
	}
	reader->at = last;
	if (last && read_head(reader) && unpack(reader))
		take_tables(reader);
	reader->at = start;
}

/* ---- records --------------------------------------------------------------------------------- */

/* The next word's difference; false: it does not end where the batch does. */
static bool get_word(const unsigned char **at, const unsigned char *end, uint64_t *difference)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		if (*at == end)
			return false;
		value |= (uint64_t)(**at & 0x7f) << shift;
		if (!(*(*at)++ & 0x80)) {
			*difference = value >> 1 ^ (uint64_t)-(int64_t)(value & 1);
			return true;
		}
	}
	return false;
}

static bool take_batch(struct reader *reader, const struct stream_batch *batch, const unsigned char *at)
{
	const unsigned char *end = at + batch->nr_bytes;
	uint32_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t record[COVBUF_CMP_WORDS] = { 0 };

	addresses_select(&reader->map, batch->pid, batch->images, batch->module_generation);
	for (uint32_t i = 0; i < batch->nr_words; i += step) {
		for (uint32_t k = 0; k < step; k++) {
			uint64_t difference;

			if (!get_word(&at, end, &difference))
				return false;
			record[k] += difference;
		}
		if (record[step - 1] && !(record[step - 1] & COVBUF_NOT_A_RECORD))
			recording_add(reader->recording, &reader->map, batch->mode, record[step - 1]);
	}
	return at == end;
}

static void take_records(struct reader *reader)
{
	size_t at = 0, end = reader->head.raw_bytes;
	struct stream_batch batch;

	while (end - at >= sizeof(batch)) {
		memcpy(&batch, reader->raw + at, sizeof(batch));
		at += sizeof(batch);
		if (batch.nr_bytes > end - at || batch.mode >= COVBUF_NR_MODES ||
		    !take_batch(reader, &batch, (const unsigned char *)reader->raw + at)) {
			reader->recording->damaged++;
			return;
		}
		at += batch.nr_bytes;
	}
}

static void read_records(struct reader *reader)
{
	for (; read_head(reader); skip_block(reader)) {
		if (reader->head.type != STREAM_RECORDS)
			continue;
		if (unpack(reader))
			take_records(reader);
		else
			reader->recording->damaged++;
		progress_at(reader->at, reader->end);
	}
}

static int check_header(struct reader *reader)
{
	struct stream_header header;

	if (reader->end < sizeof(header) || !read_at(reader, 0, &header, sizeof(header))) {
		complain(reader->path, "it is cut off in its header");
		return -EPROTO;
	}
	if (header.version != STREAM_VERSION) {
		complain(reader->path, "it is a stream of version %" PRIu32 ", and this covbuf reads version %d; use the covbuf "
				       "that wrote it", header.version, STREAM_VERSION);
		return -EPROTO;
	}
	if (header.header_bytes < sizeof(header) || header.header_bytes > reader->end) {
		complain(reader->path, "its header is damaged");
		return -EPROTO;
	}
	reader->at = header.header_bytes;
	if (!reader->recording->created_ns || header.created_ns < reader->recording->created_ns)
		reader->recording->created_ns = header.created_ns;
	return 0;
}

int stream_read(struct recording *recording, const char *path)
{
	struct reader reader = { .path = path, .recording = recording };
	struct stat st;
	bool finished;
	int err;

	reader.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0 || fstat(reader.fd, &st)) {
		err = -errno;
		complain(path, "cannot be read: %s", strerror(errno));
		if (reader.fd >= 0)
			close(reader.fd);
		return err;
	}
	reader.end = (uint64_t)st.st_size;
	recording->streams++;
	err = check_header(&reader);
	if (!err) {
		read_tables(&reader, &finished);
		read_records(&reader);
		if (!finished)
			complain(path, "its writer did not finish it, or it is cut off; what is there up to then is used");
	}
	addresses_fini(&reader.map);
	free(reader.stored);
	free(reader.raw);
	close(reader.fd);
	return err;
}
