// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "recording.h"

static int compare_rows(const void *a, const void *b)
{
	const struct survey_row *x = a;
	const struct survey_row *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* The row of a thread, made if need be. */
static struct survey_row *find_row(struct survey *survey, uint32_t pid, uint32_t tid)
{
	uint32_t i = index_find(&survey->threads, (uint64_t)pid << 32 | tid, (uint32_t)survey->nr);

	if (i == survey->nr) {
		survey->rows = must_grow(survey->rows, survey->nr, &survey->room, sizeof(*survey->rows));
		survey->rows[survey->nr++] = (struct survey_row){ .pid = pid, .tid = tid };
	}
	return &survey->rows[i];
}

/* Asked once: it takes a look into /proc, and a process may have many threads. */
static bool is_alive(struct survey *survey, struct covbuf_segment *segment, uint32_t proc)
{
	if (proc >= COVBUF_MAX_PROCS)
		return false;
	if (!survey->alive[proc])
		survey->alive[proc] = 1 + covbuf_proc_alive(segment, proc);
	return survey->alive[proc] == 2;
}

static void add_losses(struct survey *survey, uint64_t *to, const uint64_t *lost)
{
	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++) {
		if (to)
			to[i] += lost[i];
		survey->lost[i] += lost[i];
		survey->sum_lost += lost[i];
	}
}

static void take_contexts(struct survey *survey, struct covbuf_segment *segment, const struct covbuf_header *header)
{
	for (uint32_t i = 0; i < header->contexts.nr; i++) {
		struct covbuf_context_slot slot;
		struct survey_row *row;
		int err = covbuf_view_context(segment, i, &slot);

		if (err) {
			survey->damaged += err != -ENOENT;
			continue;
		}
		row = find_row(survey, slot.pid, slot.tid);
		memcpy(row->name, slot.name, sizeof(row->name));
		row->live = (slot.state & 0xff) == COVBUF_CONTEXT_LIVE && is_alive(survey, segment, (slot.state >> 8) & 0xffff);
		add_losses(survey, row->lost, slot.lost);
	}
}

static void take_procs(struct survey *survey, struct covbuf_segment *segment, const struct covbuf_header *header)
{
	for (uint32_t i = 1; i < header->procs.nr; i++) {
		struct covbuf_proc proc;
		int err = covbuf_view_proc(segment, i, &proc);

		if (err) {
			survey->damaged += err != -ENOENT;
			continue;
		}
		survey->nr_procs++;
		survey->nr_live += (proc.state & 0xff) == COVBUF_PROC_LIVE && is_alive(survey, segment, i);
		add_losses(survey, NULL, proc.lost);
	}
}

static void count_records(struct survey *survey, struct covbuf_segment *segment, uint32_t i,
			  const struct covbuf_area *area, bool quick)
{
	uint64_t step = area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	struct survey_row *row = find_row(survey, area->pid, area->tid);
	uint64_t holes = 0;
	int64_t n;

	if (quick && COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_ENDED && area->filled_words &&
	    area->filled_words <= area->nr_words)
		n = (int64_t)(area->filled_words / step);
	else {
		survey->words_left -= area->nr_words;
		n = covbuf_view_runs(segment, i, area, NULL, NULL, &holes);
	}
	if (n < 0) {
		survey->damaged += n != -ESTALE;
		return;
	}
	row->records += (uint64_t)n;
	row->holes += holes;
	row->areas++;
	/* what it records now: contexts are not asked to keep this up to date */
	if (row->live && COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_HELD)
		row->mode = area->mode + 1u;
	survey->records += (uint64_t)n;
	survey->holes += holes;
	survey->areas++;
}

static void take_areas(struct survey *survey, struct covbuf_segment *segment, const struct covbuf_header *header,
		       bool quick)
{
	for (uint32_t i = 0; i < header->nr_areas; i++) {
		struct covbuf_area area;
		int err = covbuf_view_area(segment, i, &area);

		if (err) {
			survey->damaged += err != -ENOENT;
			continue;
		}
		switch (COVBUF_FLAG_STATE(area.flag)) {
		case COVBUF_AREA_FREE:
			survey->free_areas++;
			break;
		case COVBUF_AREA_HELD:
		case COVBUF_AREA_QUEUED:
		case COVBUF_AREA_READING:
		case COVBUF_AREA_ENDED:
			if (area.nr_words > survey->words_left)
				survey->damaged++;
			else if (area.nr_words)
				count_records(survey, segment, i, &area, quick);
			break;
		}
	}
}

void survey_take(struct survey *survey, struct covbuf_segment *segment, const struct covbuf_header *header, bool quick)
{
	*survey = (struct survey){ .words_left = segment_max_words(segment) };
	take_contexts(survey, segment, header);
	take_procs(survey, segment, header);
	take_areas(survey, segment, header, quick);
	if (survey->nr)
		qsort(survey->rows, survey->nr, sizeof(*survey->rows), compare_rows);
}

void survey_fini(struct survey *survey)
{
	free(survey->rows);
	index_fini(&survey->threads);
	*survey = (struct survey){ .nr = 0 };
}

uint32_t survey_live(struct covbuf_segment *segment, const struct covbuf_header *header)
{
	uint32_t nr = 0;

	for (uint32_t i = 1; i < header->procs.nr; i++) {
		struct covbuf_proc proc;

		nr += !covbuf_view_proc(segment, i, &proc) && (proc.state & 0xff) == COVBUF_PROC_LIVE &&
		      covbuf_proc_alive(segment, i);
	}
	return nr;
}
