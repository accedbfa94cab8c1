// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The note of a profile, found and checked. No number in it is used before it is known to lie within the file.
 */
#include "profile.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "strings.h"

#define MAX_BEFORE_COUNTS (1ull << 20)	/* in a file of counts; there may be padding to a large page */
#define MAX_RECORDS_BYTES (1ull << 30)	/* before the counters of a whole one: 64 bytes for each function */
#define MAX_COUNTS_BYTES (1ull << 30)
#define MAX_NAMES_BYTES (1ull << 30)
#define LOOK_FOR_HOLES (1ull << 20)
#define VERSION_MASK ((UINT64_C(1) << 56) - 1)	/* of a raw header's version; what is above are variants */

static const unsigned char raw_magic[8] = { 0x81, 'r', 'f', 'o', 'r', 'p', 'l', 0xff };

static int explain(struct covbuf_message *why, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int explain(struct covbuf_message *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

/* Where to go on looking, at or behind a place in a file: in a hole there is no note. */
static uint64_t skip_hole(int fd, uint64_t start, uint64_t at)
{
	off_t data = lseek(fd, (off_t)(start + at), SEEK_DATA);
	uint64_t next;

	if (data < 0)
		return errno == ENXIO ? UINT64_MAX : at;
	next = ((uint64_t)data - start) / COVBUF_PROFILE_ALIGN * COVBUF_PROFILE_ALIGN;
	return next > at ? next : at;
}

/* The first that ends where it says that the counters start. */
static bool find_note(int fd, uint64_t start, uint64_t bytes, bool is_raw, struct covbuf_profile_note *note)
{
	uint64_t limit = is_raw ? MAX_RECORDS_BYTES : MAX_BEFORE_COUNTS;

	if (bytes < limit)
		limit = bytes;
	for (uint64_t at = COVBUF_PROFILE_ALIGN; at <= limit; at += COVBUF_PROFILE_ALIGN) {
		uint64_t where;

		if (at % LOOK_FOR_HOLES == 0 && (at = skip_hole(fd, start, at)) > limit)
			return false;
		where = start + at - sizeof(*note);

		if (!read_at(fd, where, note->magic, sizeof(note->magic)))
			return false;
		if (!memcmp(note->magic, COVBUF_PROFILE_MAGIC, sizeof(note->magic)) &&
		    read_at(fd, where, note, sizeof(*note)) && note->counters_offset == at)
			return true;
	}
	return false;
}

static bool within(uint64_t offset, uint64_t nr, uint64_t bytes)
{
	return offset <= bytes && nr <= bytes - offset;
}

/* Where what a reader adds up ends. */
static uint64_t end_of_counts(const struct covbuf_profile_note *note)
{
	return note->bitmaps_bytes ? note->bitmaps_offset + note->bitmaps_bytes :
				     note->counters_offset + note->counters_bytes;
}

static int check_note(const struct covbuf_profile_note *note, uint64_t bytes, struct covbuf_message *why)
{
	uint64_t end = note->file_bytes;

	if (note->version != COVBUF_PROFILE_VERSION)
		return explain(why, -EPROTO, "it is a profile of version %" PRIu32 ", this covbuf reads version %d",
			       note->version, COVBUF_PROFILE_VERSION);
	if (end > bytes)
		return explain(why, -EPROTO, "it is cut short: %" PRIu64 " bytes of %" PRIu64
			       "; remove it, or name the others one by one", bytes, end);
	if (note->counters_bytes > MAX_COUNTS_BYTES || note->bitmaps_bytes > MAX_COUNTS_BYTES)
		return explain(why, -EPROTO, "it is damaged: counters of %" PRIu64 " bytes and bitmaps of %" PRIu64
			       " are not believed", note->counters_bytes, note->bitmaps_bytes);
	if (note->kind < COVBUF_PROFILE_WHOLE || note->kind > COVBUF_PROFILE_DIFFERENCE || note->counters_bytes % 8 ||
	    !within(note->counters_offset, note->counters_bytes, end) ||
	    (note->bitmaps_bytes && (note->bitmaps_offset < note->counters_offset + note->counters_bytes ||
				     !within(note->bitmaps_offset, note->bitmaps_bytes, end))))
		return explain(why, -EPROTO, "it is damaged: what its note says does not fit together");
	if (end - end_of_counts(note) > MAX_NAMES_BYTES ||
	    (note->bitmaps_bytes &&
	     note->bitmaps_offset - note->counters_offset - note->counters_bytes > MAX_BEFORE_COUNTS))
		return explain(why, -EPROTO, "it is damaged: so much besides counters and bitmaps is not believed");
	if (note->kind == COVBUF_PROFILE_WHOLE &&
	    (note->template_counters != note->counters_offset ||
	     (note->bitmaps_bytes && note->template_bitmaps != note->bitmaps_offset)))
		return explain(why, -EPROTO, "it is damaged: it says that its counters are elsewhere");
	if (note->summed_bytes &&
	    (note->kind != COVBUF_PROFILE_COUNTS || !note->processes ||
	     !within(end_of_counts(note), note->summed_bytes, end)))
		return explain(why, -EPROTO, "it is damaged: the names of what is in it lie outside");
	return 0;
}

static int check_raw(int fd, uint64_t start, const struct covbuf_profile_note *note, struct covbuf_message *why)
{
	uint64_t version = 0;

	if (!read_at(fd, start + sizeof(raw_magic), &version, sizeof(version)))
		return explain(why, -EPROTO, "it is cut short");
	if ((version & VERSION_MASK) != note->raw_version)
		return explain(why, -EPROTO, "it is damaged: its header is of raw version %" PRIu64
			       ", its note of %" PRIu64, version & VERSION_MASK, note->raw_version);
	return 0;
}

/* Offsets of what is not there would be compared in vain. */
static void keep(struct profile_file *out, struct covbuf_profile_note *note)
{
	note->compiler[sizeof(note->compiler) - 1] = 0;
	note->image[sizeof(note->image) - 1] = 0;
	note->label[sizeof(note->label) - 1] = 0;
	out->kind = note->kind;
	out->pid = note->pid;
	out->id = note->id;
	out->raw_version = note->raw_version;
	out->file_bytes = note->file_bytes;
	out->counters_offset = note->counters_offset;
	out->counters_bytes = note->counters_bytes;
	out->bitmaps_offset = note->bitmaps_bytes ? note->bitmaps_offset : note->counters_offset + note->counters_bytes;
	out->bitmaps_bytes = note->bitmaps_bytes;
	out->template_counters = note->template_counters;
	out->template_bitmaps = note->bitmaps_bytes ? note->template_bitmaps : 0;
	out->started = note->started;
	out->pid_namespace = note->pid_namespace;
	out->lost_processes = note->lost_processes;
	out->processes = note->processes;
	out->summed_bytes = note->summed_bytes;
	out->compiler = intern(note->compiler);
	out->image = intern(note->image);
	out->label = intern(note->label);
}

int profile_note_read(int fd, uint64_t file_bytes, struct profile_file *out, struct covbuf_message *why)
{
	uint64_t bytes = file_bytes > out->start ? file_bytes - out->start : 0;
	unsigned char magic[sizeof(raw_magic)];
	struct covbuf_profile_note note;
	bool is_raw;
	int err;

	if (bytes < COVBUF_PROFILE_ALIGN || !read_at(fd, out->start, magic, sizeof(magic)))
		return explain(why, -ENOENT, "it is too short for a profile");
	is_raw = !memcmp(magic, raw_magic, sizeof(magic));
	if (!find_note(fd, out->start, bytes, is_raw, &note))
		return explain(why, -ENOENT,
			       is_raw ? "it is a raw profile that is not covbuf's; llvm-profdata reads it as it is" :
					"it is not a profile");
	err = check_note(&note, bytes, why);
	if (!err && (note.kind == COVBUF_PROFILE_WHOLE) != is_raw)
		err = explain(why, -EPROTO, "it is damaged: its note says that it is %s",
			      is_raw ? "counts alone" : "a raw profile");
	if (!err && is_raw)
		err = check_raw(fd, out->start, &note, why);
	if (!err)
		keep(out, &note);
	return err;
}

unsigned int profile_compiler_major(const char *compiler)
{
	const char *at = strstr(compiler, "lang ");
	unsigned long major;

	while (at && *at && !isdigit((unsigned char)*at))
		at++;
	major = at ? strtoul(at, NULL, 10) : 0;
	return major < 1000 ? (unsigned int)major : 0;
}
