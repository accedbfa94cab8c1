// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an observer sees between two instructions: see step_outside.c. It reads as any observer does, through
 * the library; only what was emitted it knows from the program's memory.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "observer.h"

#define NUMBERS_MAX (1u << 17)

static struct {
	struct covbuf_segment *segment;
	bool never_less;
	uint32_t round, emitted[NR_LEVELS], errors;
	uint64_t records, least;
	uint32_t stamp_of_look; /* what seen[] holds for what was seen in this look */
	uint32_t seen[NR_LEVELS][NUMBERS_MAX];
} observer;

int observer_open(struct tracee *t)
{
	struct step_result result;
	char path[64];

	tracee_result(t, &result);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->pid, result.fd);
	return covbuf_segment_open(path, COVBUF_OPEN_READ, &observer.segment, NULL);
}

static uint32_t word_of_check(struct tracee *t, size_t offset)
{
	uint32_t value;

	tracee_read(t, t->check + offset, &value, sizeof(value));
	return value;
}

void observer_begin(struct tracee *t, bool never_less)
{
	observer.never_less = never_less;
	observer.least = 0;
	observer.errors = 0;
	observer.round = word_of_check(t, offsetof(struct check, round));
}

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
	va_list args;

	observer.errors++;
	va_start(args, format);
	fputs("an observer: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return 1;
}

static int see_record(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	uint64_t pc = record[area->mode == COVBUF_MODE_CMP ? 3 : 0];
	uint32_t *seen;
	struct stamp s;

	(void)arg;
	if (!stamp_read(pc, &s) || s.thread || s.level >= NR_LEVELS || s.round != observer.round)
		return fail("%#lx is nobody's", pc);
	if (!stamp_whole(record, area->mode))
		return fail("%#lx is torn", pc);
	if (s.number > observer.emitted[s.level] || s.number >= NUMBERS_MAX)
		return fail("%#lx was never emitted", pc);
	observer.records++;
	if (area->kind == COVBUF_COUNTED) /* a merge moves it there, and empties its area afterwards */
		return 0;
	seen = &observer.seen[s.level][s.number];
	if (*seen == observer.stamp_of_look)
		return fail("%#lx is there twice", pc);
	*seen = observer.stamp_of_look;
	return 0;
}

uint32_t observer_look(struct tracee *t)
{
	struct covbuf_area area;
	struct covbuf_header header;

	for (uint32_t l = 0; l < NR_LEVELS; l++)
		observer.emitted[l] = word_of_check(t, offsetof(struct check, source) + l * sizeof(struct check_source) +
							       offsetof(struct check_source, emitted));
	observer.stamp_of_look++;
	observer.records = 0;
	if (covbuf_view_header(observer.segment, &header))
		return fail("the header is damaged"), observer.errors;
	for (uint32_t i = 0; i < header.nr_areas && !observer.errors; i++) {
		int64_t n;

		if (covbuf_view_area(observer.segment, i, &area) || COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_FREE)
			continue;
		n = covbuf_view_records(observer.segment, i, &area, see_record, NULL, NULL);
		if (n < 0 && n != -ESTALE) /* being emptied */
			fail("area %u cannot be read: %ld", i, n);
	}
	if (observer.never_less && observer.records < observer.least)
		fail("%lu records, where there were %lu", observer.records, observer.least);
	observer.least = observer.records;
	return observer.errors;
}
