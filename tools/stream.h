/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stream: what was drained from the rings of a segment while its programs ran, in a file.
 *
 *   header | block | block | ...
 *
 * A block is its head and a zstd frame, with zstd's checksum. A file that ends in the middle of a block
 * ends with the block before it. Everything is little-endian. docs/stream.md is the reference.
 */
#ifndef COVBUF_STREAM_H
#define COVBUF_STREAM_H

#include <covbuf/covbuf.h>

#include "recording.h"

#define STREAM_MAGIC 0x3152545346554243ull /* "CBUFSTR1" */
#define STREAM_VERSION 1
#define STREAM_BLOCK_MAGIC 0x4b4c4243u /* "CBLK" */
#define STREAM_BLOCK_MAX_BYTES (64u << 20) /* of a block, unpacked */

struct stream_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes;
	uint64_t created_ns;	/* CLOCK_REALTIME */
	uint64_t reserved[5];
};

enum stream_block_type {
	STREAM_RECORDS = 1,	/* struct stream_batch and its bytes, again and again */
	STREAM_TABLES = 2,	/* struct stream_table and its rows, again and again: the segment's tables as they are now */
	STREAM_END = 3,		/* empty: the writer finished, nothing is missing */
};

struct stream_block {
	uint32_t magic;
	uint32_t type;		/* enum stream_block_type; a reader skips what it does not know */
	uint32_t stored_bytes;	/* of the zstd frame that follows */
	uint32_t raw_bytes;	/* unpacked */
};

/*
 * Records of one context, in the order in which it made them. Each word is written as its difference
 * from the same word of the record before (of the first: from 0), zigzag and LEB128: what a loop
 * records takes a byte or two, and zstd has less to do.
 */
struct stream_batch {
	uint32_t pid, tid;
	uint32_t owner, mode;
	uint64_t handle, token;
	uint32_t serial;
	uint32_t nr_words;	/* that follow: records, in CMP mode times 4 */
	uint32_t nr_bytes;	/* that they take */
	uint32_t module_generation; /* when the context took the ring */
	uint64_t images;	/* COVBUF_IMAGES() of the process then */
};
#define STREAM_WORD_MAX_BYTES 10

enum stream_table_type {
	STREAM_TABLE_PROCS = 1,
	STREAM_TABLE_CONTEXTS = 2,
	STREAM_TABLE_MODULES = 3,
	STREAM_TABLE_TOTALS = 4, /* one row: struct stream_totals */
};

/* Rows that follow: each a u64 index in the segment's table, and the entry of <covbuf/format.h>. */
struct stream_table {
	uint32_t type;
	uint32_t nr;
	uint32_t row_bytes;	/* index and entry */
	uint32_t reserved;
};

struct stream_totals {
	uint64_t lost_contexts, lost_procs;
	uint64_t holes;		/* slots of the rings that were never filled */
};

COVBUF_STATIC_ASSERT(sizeof(struct stream_header) == 64, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct stream_block) == 16, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct stream_batch) == 56, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct stream_table) == 16, "part of the format");

/* stream_read.c: add a stream to a recording. A complaint was made on failure. */
int stream_read(struct recording *recording, const char *path);

/* stream.c: writing. The file must not exist unless force is set. A complaint was made on failure. */
struct stream;
int stream_create(const char *path, bool force, struct covbuf_segment *segment, struct stream **out);

/* A covbuf_batch_fn; arg is the stream. Non-zero: the file cannot be written. */
int stream_add(const struct covbuf_batch *batch, void *arg);

/* Write the tables, if they changed or a second has passed; and what is buffered. */
int stream_sync(struct stream *stream);

/* Bytes written so far, records so far. */
void stream_count(const struct stream *stream, uint64_t *bytes, uint64_t *records);
void stream_add_holes(struct stream *stream, uint64_t holes);

/* Write the last tables and the end, and close. */
int stream_finish(struct stream *stream);

#endif
