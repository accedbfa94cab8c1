// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writing a stream. Records are gathered into blocks; before a block of records is written the tables
 * are, if they have changed, so that what a killed writer leaves behind can be resolved.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "command.h"

#define BLOCK_BYTES (1u << 20)
#define TABLES_NS 1000000000ull
#define FLUSH_NS 200000000ull
#define ZSTD_LEVEL 1

struct buffer {
	char *bytes;
	size_t nr, room;
};

struct stream {
	char *path;
	struct covbuf_segment *segment;
	int fd;
	ZSTD_CCtx *zstd;
	struct buffer records, tables, packed;
	uint64_t bytes, nr_records, holes;
	uint64_t tables_ns, flushed_ns;
	uint32_t procs_changed, module_generation;
	bool failed;
};

static void make_room(struct buffer *buffer, size_t nr)
{
	while (buffer->room - buffer->nr < nr) {
		buffer->room = buffer->room ? buffer->room * 2 : 65536;
		buffer->bytes = must_realloc(buffer->bytes, buffer->room);
	}
}

static void append(struct buffer *buffer, const void *bytes, size_t nr)
{
	make_room(buffer, nr);
	memcpy(buffer->bytes + buffer->nr, bytes, nr);
	buffer->nr += nr;
}

static int fail(struct stream *stream, const char *what)
{
	if (!stream->failed)
		complain(stream->path, "cannot be written: %s", what);
	stream->failed = true;
	return -EIO;
}

static int write_bytes(struct stream *stream, const void *bytes, size_t nr)
{
	const char *at = bytes;

	while (nr) {
		ssize_t n = write(stream->fd, at, nr);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(stream, n ? strerror(errno) : "nothing was taken");
		at += n;
		nr -= (size_t)n;
		stream->bytes += (size_t)n;
	}
	return 0;
}

static int write_block(struct stream *stream, enum stream_block_type type, struct buffer *raw)
{
	struct stream_block head = { .magic = STREAM_BLOCK_MAGIC, .type = type, .raw_bytes = (uint32_t)raw->nr };
	size_t bound = ZSTD_compressBound(raw->nr);
	size_t n;

	if (stream->failed)
		return -EIO;
	if (stream->packed.room < sizeof(head) + bound) {
		stream->packed.room = sizeof(head) + bound;
		stream->packed.bytes = must_realloc(stream->packed.bytes, stream->packed.room);
	}
	n = ZSTD_compress2(stream->zstd, stream->packed.bytes + sizeof(head), bound, raw->bytes, raw->nr);
	if (ZSTD_isError(n))
		return fail(stream, ZSTD_getErrorName(n));
	head.stored_bytes = (uint32_t)n;
	memcpy(stream->packed.bytes, &head, sizeof(head));
	raw->nr = 0;
	return write_bytes(stream, stream->packed.bytes, sizeof(head) + n);
}

static int flush(struct stream *stream)
{
	stream->flushed_ns = now_ns();
	return stream->records.nr ? write_block(stream, STREAM_RECORDS, &stream->records) : 0;
}

int stream_create(const char *path, bool force, struct covbuf_segment *segment, struct stream **out)
{
	struct stream_header header = { .magic = STREAM_MAGIC, .version = STREAM_VERSION, .header_bytes = sizeof(header) };
	struct stream *stream;
	struct timespec now;
	int fd, err;

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0600);
	if (fd < 0) {
		err = errno;
		complain(path, err == EEXIST ? "it exists; give another name with -o, or --force" : "cannot be made: %s",
			 strerror(err));
		return -err;
	}
	stream = must_alloc(sizeof(*stream));
	stream->path = must_dup(path);
	stream->fd = fd;
	stream->segment = segment;
	stream->zstd = ZSTD_createCCtx();
	if (!stream->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_checksumFlag, 1)))
		fail(stream, "libzstd does not start");
	clock_gettime(CLOCK_REALTIME, &now);
	header.created_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	write_bytes(stream, &header, sizeof(header));
	*out = stream;
	if (!stream->failed)
		return 0;
	unlink(path); /* it has nothing in it, and would be in the way the next time */
	return -EIO;
}

/* A difference: small ones of either sign in few bytes. */
static unsigned char *put_word(unsigned char *at, uint64_t difference)
{
	uint64_t value = difference << 1 ^ (uint64_t)-(int64_t)(difference >> 63);

	for (; value >= 0x80; value >>= 7)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}

int stream_add(const struct covbuf_batch *batch, void *arg)
{
	uint64_t before[COVBUF_CMP_WORDS] = { 0 };
	struct stream *stream = arg;
	uint64_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	struct stream_batch head = {
		.pid = batch->pid,
		.tid = batch->tid,
		.owner = batch->owner,
		.mode = batch->mode,
		.handle = batch->handle,
		.token = batch->token,
		.serial = batch->serial,
		.module_generation = batch->module_generation,
		.images = batch->images,
	};
	unsigned char *start, *at;

	if (batch->nr_words > STREAM_BLOCK_MAX_BYTES / 2 / STREAM_WORD_MAX_BYTES)
		return fail(stream, "an area is larger than a block can be");
	make_room(&stream->records, sizeof(head) + batch->nr_words * STREAM_WORD_MAX_BYTES);
	start = (unsigned char *)stream->records.bytes + stream->records.nr + sizeof(head);
	at = start;
	for (uint64_t i = 0; i + step <= batch->nr_words; i += step) {
		const uint64_t *record = &batch->words[i];

		if (!record[step - 1] || (record[step - 1] & COVBUF_NOT_A_RECORD))
			continue;
		for (uint64_t k = 0; k < step; k++) {
			at = put_word(at, record[k] - before[k]);
			before[k] = record[k];
		}
		head.nr_words += (uint32_t)step;
	}
	head.nr_bytes = (uint32_t)(at - start);
	if (head.nr_words) {
		memcpy(start - sizeof(head), &head, sizeof(head));
		stream->records.nr += sizeof(head) + head.nr_bytes;
	}
	stream->nr_records += head.nr_words / step;
	if (stream->records.nr >= BLOCK_BYTES)
		return flush(stream);
	return stream->failed ? -EIO : 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static size_t begin_table(struct stream *stream, enum stream_table_type type, size_t entry_bytes)
{
	struct stream_table head = { .type = type, .row_bytes = (uint32_t)(sizeof(uint64_t) + entry_bytes) };
	size_t at = stream->tables.nr;

	append(&stream->tables, &head, sizeof(head));
	return at;
}

static void add_row(struct stream *stream, size_t table, uint64_t index, const void *entry, size_t entry_bytes)
{
	struct stream_table head;

	append(&stream->tables, &index, sizeof(index));
	append(&stream->tables, entry, entry_bytes);
	memcpy(&head, stream->tables.bytes + table, sizeof(head));
	head.nr++;
	memcpy(stream->tables.bytes + table, &head, sizeof(head));
}

static int write_tables(struct stream *stream, const struct covbuf_header *header)
{
	struct covbuf_segment *segment = stream->segment;
	struct stream_totals totals = { header->lost_contexts, header->lost_procs, stream->holes };
	struct covbuf_context_slot context;
	struct covbuf_module module;
	struct covbuf_proc proc;
	size_t table;

	stream->tables.nr = 0;
	table = begin_table(stream, STREAM_TABLE_PROCS, sizeof(proc));
	for (uint32_t i = 0; i < header->procs.nr; i++)
		if (!covbuf_view_proc(segment, i, &proc))
			add_row(stream, table, i, &proc, sizeof(proc));
	table = begin_table(stream, STREAM_TABLE_CONTEXTS, sizeof(context));
	for (uint32_t i = 0; i < header->contexts.nr; i++)
		if (!covbuf_view_context(segment, i, &context))
			add_row(stream, table, i, &context, sizeof(context));
	table = begin_table(stream, STREAM_TABLE_MODULES, sizeof(module));
	for (uint32_t i = 0; i < header->modules.nr; i++)
		if (!covbuf_view_module(segment, i, &module))
			add_row(stream, table, i, &module, sizeof(module));
	table = begin_table(stream, STREAM_TABLE_TOTALS, sizeof(totals));
	add_row(stream, table, 0, &totals, sizeof(totals));
	return write_block(stream, STREAM_TABLES, &stream->tables);
}

int stream_sync(struct stream *stream)
{
	uint64_t now = now_ns();
	struct covbuf_header header;
	int err = 0;

	if (covbuf_view_header(stream->segment, &header))
		return fail(stream, "the segment's header is damaged");
	if (header.procs_changed != stream->procs_changed || header.module_generation != stream->module_generation ||
	    now - stream->tables_ns > TABLES_NS) {
		stream->procs_changed = header.procs_changed;
		stream->module_generation = header.module_generation;
		stream->tables_ns = now;
		err = write_tables(stream, &header);
	}
	if (!err && now - stream->flushed_ns > FLUSH_NS)
		err = flush(stream);
	return err;
}

void stream_count(const struct stream *stream, uint64_t *bytes, uint64_t *records)
{
	*bytes = stream->bytes;
	*records = stream->nr_records;
}

void stream_add_holes(struct stream *stream, uint64_t holes)
{
	stream->holes += holes;
}

int stream_finish(struct stream *stream)
{
	struct buffer nothing = { .bytes = NULL };
	struct covbuf_header header;
	int err = flush(stream);

	if (!err && !covbuf_view_header(stream->segment, &header))
		err = write_tables(stream, &header);
	if (!err)
		err = write_block(stream, STREAM_END, &nothing);
	if (close(stream->fd) && !err)
		err = fail(stream, strerror(errno));
	ZSTD_freeCCtx(stream->zstd);
	free(stream->records.bytes);
	free(stream->tables.bytes);
	free(stream->packed.bytes);
	free(stream->path);
	free(stream);
	return err;
}
