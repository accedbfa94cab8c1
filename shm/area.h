/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What readers do with one area: check what the directory says of it, and look through its words.
 * Serves the view, which has copies that pread() made, and the collector, which has the mapping.
 */
#ifndef COVB_SHM_AREA_H
#define COVB_SHM_AREA_H

#include "shm.h"

/* Words of a record, by a mode that has been checked. */
static inline uint32_t covb_record_words(uint32_t mode)
{
	return mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
}

/* Whether the word that says so, the PC's only or the CMP record's last, says that a record is there. */
static inline bool covb_is_record(uint64_t word)
{
	return word != 0 && !(word & COVBUF_NOT_A_RECORD);
}

/* The same use of the same area, described in the same way; what moves during a use is left out. */
bool covb_area_same(const struct covbuf_area *a, const struct covbuf_area *b);

/*
 * Check a copy of a directory entry against the layout and the storage there is. What names another
 * entry that cannot be is cut to 0. On success the words [0, nr_words) lie inside the storage.
 * -ENOENT: no area; -EPROTO: its place, or the description of its contents, cannot be.
 */
int covb_area_check(const struct covb_layout *layout, uint64_t size_bytes, struct covbuf_area *area);

/* The part of it that the maker wrote: offset and class. */
bool covb_area_place_ok(const struct covb_layout *layout, uint64_t size_bytes, const struct covbuf_area *area);

/* What a look through an area found. */
struct covb_scan {
	uint64_t records;
	uint64_t holes;		/* slots before the last record that are 0 */
	uint64_t nr_words;	/* up to the end of the last record */
};

/* Look through the words of a linear area; copies them to @to where that is not NULL. */
void covb_scan_linear(const uint64_t *words, uint64_t nr_words, uint32_t mode, uint64_t *to, struct covb_scan *out);

/* The same for KCOV's layout, by its count; @to gets the records without the count. */
void covb_scan_counted(const uint64_t *words, uint64_t nr_words, uint32_t mode, uint64_t *to, struct covb_scan *out);

/*
 * Zero all words of an area but the guard words, which are set. nr_words: all, guard words included. What says that
 * records are there, as mode and kind have it, is zeroed before the records: whoever dies half way leaves none that
 * are half there.
 */
void covb_words_clean(uint64_t *words, uint64_t nr_words, uint32_t mode, uint32_t kind);

/* The same of a linear area whose words behind nr_words are 0, and whose guard words are whole. */
void covb_words_clean_used(uint64_t *words, uint64_t nr_words, uint32_t mode);

#endif
