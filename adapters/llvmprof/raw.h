/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes LLVM's raw profile format for the image that this is compiled into: a program, a library, a kernel
 * module. The format is that of the compiler: its <profile/InstrProfData.inc> lists the fields of header
 * and records, and what the header's are initialised with. So the image's own clang has to compile
 * this, and a field that it has and this does not know is an error here, not a wrong file.
 *
 * A raw profile: header, build ID, records, [padding, note,] counters, bitmaps, names. What uses this
 *
 *	checks the sections (covb_raw_check), asks where each part goes (covb_raw_lay_out),
 *	writes header and build ID (covb_raw_write_head) and the note (covb_raw_fill_note),
 *	and copies records, counters, bitmaps and names to their offsets; what lies between is zero.
 *
 * Freestanding: no function is called. A kernel module names the .inc by COVB_RAW_INC.
 */
#ifndef COVB_LLVMPROF_RAW_H
#define COVB_LLVMPROF_RAW_H

#include "format.h"

#if !defined(__KERNEL__)
#include <stddef.h>
#include <stdint.h>
#endif
#if !defined(COVB_RAW_INC)
#define COVB_RAW_INC <profile/InstrProfData.inc>
#endif

#include COVB_RAW_INC /* its constants */

#define COVB_RAW __attribute__((unused)) static

enum {
#define VALUE_PROF_KIND(name, value, text) name = value,
#include COVB_RAW_INC
};

#define IntPtrT uintptr_t
struct covb_raw_record {
#define INSTR_PROF_DATA(type, llvm_type, name, initializer) type name;
#include COVB_RAW_INC
};
#undef IntPtrT

struct covb_raw_header {
#define INSTR_PROF_RAW_HEADER(type, name, initializer) type name;
#include COVB_RAW_INC
};

_Static_assert(sizeof(struct covbuf_profile_note) == 1024, "the note's layout is that of format.h");
_Static_assert(sizeof(struct covb_raw_header) % 8 == 0 && sizeof(struct covb_raw_record) % 8 == 0, "whole words");
_Static_assert(sizeof(void *) == 8, "raw profiles of 64-bit images");

/* The image's sections, where it has them: records refer to counters by distance. */
struct covb_raw_sections {
	const struct covb_raw_record *records;
	const uint64_t *counters;
	const unsigned char *bitmaps;
	const char *names;
	size_t records_bytes;
	size_t counters_bytes;
	size_t bitmaps_bytes; /* 0: no MC/DC */
	size_t names_bytes;
	const void *build_id; /* of the image; NULL: it has none */
	size_t build_id_bytes;
};

/* Offsets in the file. */
struct covb_raw_layout {
	size_t records_offset; /* header and build ID lie before */
	size_t note_offset;
	size_t counters_offset;
	size_t bitmaps_offset;
	size_t names_offset;
	size_t file_bytes;
};

COVB_RAW size_t covb_raw_round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* Each binary ID is its length, and bytes up to a multiple of 8. */
COVB_RAW size_t covb_raw_ids_bytes(const struct covb_raw_sections *s)
{
	return s->build_id ? 8 + covb_raw_round_up(s->build_id_bytes, 8) : 0;
}

/*
 * covb_raw_lay_out - where each part goes
 * @page_bytes: counters and bitmaps start at multiples of this, itself one of COVBUF_PROFILE_ALIGN
 */
COVB_RAW void covb_raw_lay_out(const struct covb_raw_sections *s, size_t page_bytes, struct covb_raw_layout *l)
{
	l->records_offset = sizeof(struct covb_raw_header) + covb_raw_ids_bytes(s);
	l->counters_offset = covb_raw_round_up(
		l->records_offset + s->records_bytes + sizeof(struct covbuf_profile_note), page_bytes);
	l->note_offset = l->counters_offset - sizeof(struct covbuf_profile_note);
	l->bitmaps_offset = covb_raw_round_up(l->counters_offset + s->counters_bytes, page_bytes);
	if (s->bitmaps_bytes == 0)
		l->bitmaps_offset = l->counters_offset + s->counters_bytes;
	l->names_offset = covb_raw_round_up(l->bitmaps_offset + s->bitmaps_bytes, 8);
	l->file_bytes = l->names_offset + covb_raw_round_up(s->names_bytes, 8);
}

/* The header, by the initialisers that the compiler's own runtime has; the locals are what those name. */
COVB_RAW void covb_raw_fill_header(struct covb_raw_header *h, const struct covb_raw_sections *s,
				   const struct covb_raw_layout *l)
{
#define COVB_RAW_NAMED __attribute__((unused)) const
	COVB_RAW_NAMED uint64_t NumData = s->records_bytes / sizeof(struct covb_raw_record), DataSize = NumData;
	COVB_RAW_NAMED uint64_t NumCounters = s->counters_bytes / sizeof(uint64_t), CountersSize = NumCounters;
	COVB_RAW_NAMED uint64_t NumBitmapBytes = s->bitmaps_bytes, NamesSize = s->names_bytes;
	COVB_RAW_NAMED uint64_t NumVTables = 0, VNamesSize = 0;
	COVB_RAW_NAMED uint64_t PaddingBytesBeforeCounters = l->counters_offset - l->records_offset - s->records_bytes;
	COVB_RAW_NAMED uint64_t PaddingBytesAfterCounters = l->bitmaps_offset - l->counters_offset - s->counters_bytes;
	COVB_RAW_NAMED uint64_t PaddingBytesAfterBitmapBytes = l->names_offset - l->bitmaps_offset - s->bitmaps_bytes;
	COVB_RAW_NAMED uintptr_t DataBegin = (uintptr_t)s->records, CountersBegin = (uintptr_t)s->counters;
	COVB_RAW_NAMED uintptr_t BitmapBegin = (uintptr_t)s->bitmaps, NamesBegin = (uintptr_t)s->names;
#undef COVB_RAW_NAMED
#define __llvm_profile_get_magic() (INSTR_PROF_RAW_MAGIC_64)
#define __llvm_profile_get_version() INSTR_PROF_RAW_VERSION
#define __llvm_write_binary_ids(writer) covb_raw_ids_bytes(s)
#define INSTR_PROF_RAW_HEADER(type, name, initializer) h->name = initializer;
#include COVB_RAW_INC
#undef __llvm_profile_get_magic
#undef __llvm_profile_get_version
#undef __llvm_write_binary_ids
#if INSTR_PROF_RAW_VERSION < 9
	/* No bitmaps: names come right after the counters, and what is between is after those. */
	h->PaddingBytesAfterCounters = l->names_offset - l->counters_offset - s->counters_bytes;
#endif
}

COVB_RAW void covb_raw_copy(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
}

/* Header and build ID: the first l->records_offset bytes of the file, which are zero before. */
COVB_RAW void covb_raw_write_head(void *file, const struct covb_raw_sections *s, const struct covb_raw_layout *l)
{
	unsigned char *ids = (unsigned char *)file + sizeof(struct covb_raw_header);
	uint64_t id_bytes = s->build_id_bytes;

	covb_raw_fill_header((struct covb_raw_header *)file, s, l);
	if (s->build_id) {
		covb_raw_copy(ids, &id_bytes, 8);
		covb_raw_copy(ids + 8, s->build_id, s->build_id_bytes);
	}
}

COVB_RAW uint64_t covb_raw_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

COVB_RAW uint64_t covb_raw_mix_bytes(uint64_t hash, const void *from, size_t bytes)
{
	const unsigned char *at = (const unsigned char *)from;

	for (; bytes >= 8; at += 8, bytes -= 8) {
		uint64_t word;

		__builtin_memcpy(&word, at, 8);
		hash = covb_raw_mix(hash, word);
	}
	while (bytes-- > 0)
		hash = covb_raw_mix(hash, *at++);
	return hash;
}

/* Of the image's link: of its build ID or, without one, of all in the records that no relocation changes. */
COVB_RAW uint64_t covb_raw_id(const struct covb_raw_sections *s)
{
	uint64_t id = covb_raw_mix(INSTR_PROF_RAW_VERSION, s->records_bytes);

	id = covb_raw_mix(id, s->counters_bytes);
	id = covb_raw_mix(id, s->bitmaps_bytes);
	if (s->build_id)
		return covb_raw_mix_bytes(id, s->build_id, s->build_id_bytes);
	for (size_t i = 0; i < s->records_bytes / sizeof(struct covb_raw_record); i++) {
		id = covb_raw_mix(id, s->records[i].NameRef);
		id = covb_raw_mix(id, s->records[i].FuncHash);
		id = covb_raw_mix(id, s->records[i].CounterPtr);
		id = covb_raw_mix(id, s->records[i].NumCounters);
	}
	return covb_raw_mix_bytes(id, s->names, s->names_bytes);
}

/* @part lies in a section; both as addresses, @part of a record by its distance from it. */
COVB_RAW int covb_raw_within(uintptr_t part, uint64_t part_bytes, const void *section, size_t section_bytes)
{
	uintptr_t offset = part - (uintptr_t)section;

	return offset <= section_bytes && part_bytes <= section_bytes - offset;
}

/*
 * covb_raw_check - whether the sections are what this compiler's format says
 *
 * Objects of a compiler with another format, linked into the same image, have records of another size.
 *
 * Return: NULL, or what is wrong
 */
COVB_RAW const char *covb_raw_check(const struct covb_raw_sections *s)
{
	if (s->records_bytes % sizeof(struct covb_raw_record) || s->counters_bytes % sizeof(uint64_t))
		return "records of another profile format";
#if INSTR_PROF_RAW_VERSION < 9
	if (s->bitmaps_bytes)
		return "records of another profile format";
#endif
	for (size_t i = 0; i < s->records_bytes / sizeof(struct covb_raw_record); i++) {
		const struct covb_raw_record *r = &s->records[i];
		uintptr_t counters = (uintptr_t)r + r->CounterPtr;

		for (size_t kind = 0; kind <= IPVK_Last; kind++)
			if (r->NumValueSites[kind])
				return "profiles of values, which only compiler-rt's runtime writes";
		if (r->NumCounters == 0 || counters % sizeof(uint64_t) ||
		    !covb_raw_within(counters, (uint64_t)r->NumCounters * 8, s->counters, s->counters_bytes))
			return "records of another profile format";
#if INSTR_PROF_RAW_VERSION >= 9
		if (r->NumBitmapBytes && !covb_raw_within((uintptr_t)r + r->BitmapPtr, r->NumBitmapBytes,
							  s->bitmaps, s->bitmaps_bytes))
			return "records of another profile format";
#endif
	}
	return NULL;
}

/* Copies a text; one that is too long is cut at the front. */
COVB_RAW void covb_raw_copy_text(char *to, size_t to_bytes, const char *from)
{
	size_t length = 0;

	while (from[length])
		length++;
	if (length >= to_bytes) {
		from += length - (to_bytes - 1);
		length = to_bytes - 1;
	}
	covb_raw_copy(to, from, length);
	to[length] = 0;
}

/* The note of a whole file, which is zero before. Of a process: which, and in_use, are the caller's. */
COVB_RAW void covb_raw_fill_note(struct covbuf_profile_note *note, const struct covb_raw_sections *s,
				 const struct covb_raw_layout *l, const char *image)
{
	covb_raw_copy(note->magic, COVBUF_PROFILE_MAGIC, sizeof(note->magic));
	note->version = COVBUF_PROFILE_VERSION;
	note->kind = COVBUF_PROFILE_WHOLE;
	note->id = covb_raw_id(s);
	note->raw_version = INSTR_PROF_RAW_VERSION;
	note->file_bytes = l->file_bytes;
	note->counters_offset = note->template_counters = l->counters_offset;
	note->counters_bytes = s->counters_bytes;
	note->bitmaps_offset = note->template_bitmaps = l->bitmaps_offset;
	note->bitmaps_bytes = s->bitmaps_bytes;
	covb_raw_copy_text(note->compiler, sizeof(note->compiler), __VERSION__);
	covb_raw_copy_text(note->image, sizeof(note->image), image);
}

#endif
