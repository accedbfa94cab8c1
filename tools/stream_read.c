// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading a stream, twice: first for its last tables, then for the records, which those resolve.
 * Nothing in it is believed: sizes are checked against what is there before anything is unpacked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "command.h"
#include "crew.h"
#include "progress.h"
#include "stream.h"

#define PACKED 16 /* bytes of memory to one of the file, about */

struct reader {
	const char *path;
	int fd;
	pthread_mutex_t lock; /* held to take a block */
	uint64_t at, end; /* at: the next block */
	struct recording *recording;
	struct address_map map;
};

/* A block, and the room to unpack one after the other. */
struct block {
	struct stream_block head;
	uint64_t at;
	char *stored, *raw;
	size_t stored_room, raw_room;
};

static void make_room(char **bytes, size_t *room, size_t want)
{
	if (*room >= want)
		return;
	*bytes = must_realloc(*bytes, want);
	*room = want;
}

/* Go on to the next block; false: the file ends here, in whatever way. */
static bool next_block(struct reader *reader, struct block *block)
{
	struct stream_block *head = &block->head;

	if (reader->end - reader->at < sizeof(*head) || !read_at(reader->fd, reader->at, head, sizeof(*head)))
		return false;
	if (head->magic != STREAM_BLOCK_MAGIC || head->raw_bytes > STREAM_BLOCK_MAX_BYTES ||
	    head->stored_bytes > ZSTD_compressBound(STREAM_BLOCK_MAX_BYTES) ||
	    head->stored_bytes > reader->end - reader->at - sizeof(*head))
		return false;
	block->at = reader->at;
	reader->at += sizeof(*head) + head->stored_bytes;
	return true;
}

static bool unpack(const struct reader *reader, struct block *block)
{
	const struct stream_block *head = &block->head;
	size_t n;

	make_room(&block->stored, &block->stored_room, head->stored_bytes);
	make_room(&block->raw, &block->raw_room, head->raw_bytes ? head->raw_bytes : 1);
	if (!read_at(reader->fd, block->at + sizeof(*head), block->stored, head->stored_bytes))
		return false;
	n = ZSTD_decompress(block->raw, head->raw_bytes, block->stored, head->stored_bytes);
	return !ZSTD_isError(n) && n == head->raw_bytes;
}

static void free_block(struct block *block)
{
	free(block->stored);
	free(block->raw);
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

static void take_tables(struct reader *reader, const struct block *block)
{
	size_t at = 0, end = block->head.raw_bytes;
	struct stream_table table;

	while (end - at >= sizeof(table)) {
		memcpy(&table, block->raw + at, sizeof(table));
		at += sizeof(table);
		if (table.row_bytes < sizeof(uint64_t) || table.nr > (end - at) / table.row_bytes) {
			reader->recording->damaged++;
			return;
		}
		for (uint32_t i = 0; i < table.nr; i++, at += table.row_bytes)
			take_row(reader, table.type, block->raw + at + sizeof(uint64_t),
				 table.row_bytes - sizeof(uint64_t));
	}
}

/* Find the last tables that can be read, and whether the writer finished. */
static void read_tables(struct reader *reader, bool *finished)
{
	uint64_t start = reader->at, last = 0;
	struct block block = { .at = 0 };

	*finished = false;
	while (next_block(reader, &block)) {
		if (block.head.type == STREAM_TABLES && unpack(reader, &block))
			last = block.at;
		*finished = block.head.type == STREAM_END;
	}
	reader->at = last;
	if (last && next_block(reader, &block) && unpack(reader, &block))
		take_tables(reader, &block);
	reader->at = start;
	free_block(&block);
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

/* What was decoded and not counted yet. */
#define DECODED_WORDS 4096u

static bool take_batch(const struct reader *reader, struct tally *tally, const struct stream_batch *batch,
		       const unsigned char *at)
{
	const unsigned char *end = at + batch->nr_bytes;
	uint32_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t decoded[DECODED_WORDS], record[COVBUF_CMP_WORDS] = { 0 };
	uint32_t nr = 0;
	bool whole = true;

	addresses_select(&tally->space, &reader->map, batch->pid, batch->images, batch->module_generation);
	for (uint32_t i = 0; i < batch->nr_words && whole; i += step) {
		for (uint32_t k = 0; k < step && whole; k++) {
			uint64_t difference = 0;

			whole = get_word(&at, end, &difference);
			record[k] += difference;
		}
		if (!whole || !record[step - 1] || (record[step - 1] & COVBUF_NOT_A_RECORD))
			continue;
		memcpy(&decoded[nr], record, step * sizeof(*record));
		nr += step;
		if (nr == DECODED_WORDS) {
			tally_add(tally, batch->mode, decoded, nr / step);
			nr = 0;
		}
	}
	tally_add(tally, batch->mode, decoded, nr / step);
	return whole && at == end;
}

static void take_records(const struct reader *reader, struct tally *tally, const struct block *block)
{
	size_t at = 0, end = block->head.raw_bytes;
	struct stream_batch batch;

	while (end - at >= sizeof(batch)) {
		memcpy(&batch, block->raw + at, sizeof(batch));
		at += sizeof(batch);
		if (batch.nr_bytes > end - at || batch.mode >= COVBUF_NR_MODES ||
		    !take_batch(reader, tally, &batch, (const unsigned char *)block->raw + at)) {
			tally->damaged++;
			return;
		}
		at += batch.nr_bytes;
	}
}

/* The next block of records. False: there is none. */
static bool next_records(struct reader *reader, struct block *block)
{
	bool found = false;

	pthread_mutex_lock(&reader->lock);
	while (!found && next_block(reader, block))
		found = block->head.type == STREAM_RECORDS;
	progress_at(reader->at, reader->end);
	pthread_mutex_unlock(&reader->lock);
	return found;
}

static void read_records(struct tally *tally, void *arg)
{
	struct reader *reader = arg;
	struct block block = { .at = 0 };

	while (next_records(reader, &block)) {
		if (unpack(reader, &block))
			take_records(reader, tally, &block);
		else
			tally->damaged++;
	}
	free_block(&block);
}

static int check_header(struct reader *reader)
{
	struct stream_header header;

	if (reader->end < sizeof(header) || !read_at(reader->fd, 0, &header, sizeof(header))) {
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
	struct reader reader = { .path = path, .recording = recording, .lock = PTHREAD_MUTEX_INITIALIZER };
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
		crew_read(recording, (reader.end - reader.at) * PACKED, read_records, &reader);
		if (!finished)
			complain(path, "its writer did not finish it, or it is cut off; what is there up to then is used");
	}
	addresses_fini(&reader.map);
	close(reader.fd);
	return err;
}
