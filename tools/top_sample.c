// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "top_sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "strings.h"
#include "symbols.h"

#define SAMPLE_WORDS 1024
#define PROBE_WORDS 64

static struct top_thread *find_thread(struct top_sample *sample, uint32_t pid, uint32_t tid)
{
	struct top_thread *thread;

	for (size_t i = 0; i < sample->nr_threads; i++)
		if (sample->threads[i].pid == pid && sample->threads[i].tid == tid)
			return &sample->threads[i];
	sample->threads = must_grow(sample->threads, sample->nr_threads, &sample->room_threads,
				    sizeof(*sample->threads));
	thread = &sample->threads[sample->nr_threads++];
	*thread = (struct top_thread){ .pid = pid, .tid = tid };
	return thread;
}

static void look_at_threads(struct top_sample *sample)
{
	for (size_t i = 0; i < sample->nr_threads; i++) {
		sample->threads[i].fresh = 0;
		sample->threads[i].lost = 0;
		sample->threads[i].live = false;
	}
	sample->lost = 0;
	for (uint32_t i = 0; i < sample->header.contexts.nr; i++) {
		struct covbuf_context_slot slot;
		struct top_thread *thread;

		if (covbuf_view_context(sample->segment, i, &slot))
			continue;
		thread = find_thread(sample, slot.pid, slot.tid);
		memcpy(thread->name, slot.name, sizeof(thread->name));
		thread->live = (slot.state & 0xff) == COVBUF_CONTEXT_LIVE &&
			       covbuf_proc_alive(sample->segment, (slot.state >> 8) & 0xffff);
		for (unsigned int k = 0; k < COVBUF_NR_LOSSES; k++)
			thread->lost += slot.lost[k];
		sample->lost += thread->lost;
	}
}

static void look_at_modules(struct top_sample *sample)
{
	if (sample->looked_ns && sample->module_generation == sample->header.module_generation)
		return;
	sample->module_generation = sample->header.module_generation;
	address_space_fini(&sample->space);
	addresses_fini(&sample->map);
	for (uint32_t i = 0; i < sample->header.modules.nr; i++) {
		struct covbuf_module row;

		if (!covbuf_view_module(sample->segment, i, &row))
			recording_add_module(&sample->modules, &sample->map, &row);
	}
	sample->binaries = must_realloc(sample->binaries, sample->modules.nr_modules * sizeof(*sample->binaries));
	for (; sample->nr_binaries < sample->modules.nr_modules; sample->nr_binaries++)
		sample->binaries[sample->nr_binaries] = (struct top_binary){ NULL, false };
}

/* ---- functions ------------------------------------------------------------------------------- */

static const char *name_of(struct top_sample *sample, const struct address_range *range, uint64_t pc)
{
	struct top_binary *binary = &sample->binaries[range->module];
	struct covbuf_message why;
	const char *name;

	if (!binary->tried) {
		binary->tried = true;
		if (binary_open(sample->modules.modules[range->module].path, &binary->binary, &why))
			binary->binary = NULL;
	}
	name = binary->binary ? symbols_function(binary->binary, pc - range->bias - 1) : NULL;
	return name ? name : intern("?");
}

static void add_sample(struct top_sample *sample, uint64_t pc, double weight)
{
	const struct address_range *range = addresses_find(&sample->space, pc);
	struct top_function *function;
	const char *name, *module;

	if (!range)
		return;
	name = name_of(sample, range, pc);
	module = sample->modules.modules[range->module].path;
	for (size_t i = 0; i < sample->nr_functions; i++) {
		function = &sample->functions[i];
		if (function->name == name && function->module == module) {
			function->weight += weight;
			return;
		}
	}
	sample->functions = must_grow(sample->functions, sample->nr_functions, &sample->room_functions,
				      sizeof(*sample->functions));
	sample->functions[sample->nr_functions++] = (struct top_function){ name, module, weight };
}

/* Older samples count half of what they did; those that hardly count are dropped. */
static void age_functions(struct top_sample *sample)
{
	size_t kept = 0;

	for (size_t i = 0; i < sample->nr_functions; i++) {
		sample->functions[i].weight /= 2;
		if (sample->functions[i].weight >= 0.5)
			sample->functions[kept++] = sample->functions[i];
	}
	sample->nr_functions = kept;
}

static int compare_functions(const void *a, const void *b)
{
	double x = ((const struct top_function *)a)->weight;
	double y = ((const struct top_function *)b)->weight;

	return x > y ? -1 : x < y;
}

/* The newest records before a place, each standing for as many as were made for each that is looked at. */
static void sample_words(struct top_sample *sample, uint32_t i, const struct covbuf_area *area, uint64_t end,
			 uint64_t fresh)
{
	uint64_t step = area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t nr = fresh * step < SAMPLE_WORDS ? fresh * step : SAMPLE_WORDS;
	uint64_t words[SAMPLE_WORDS];
	int64_t got;

	got = covbuf_view_words(sample->segment, i, area, end > nr ? end - nr : 0, nr, words);
	if (got < (int64_t)step)
		return;
	addresses_select(&sample->space, &sample->map, area->pid, area->images, area->module_generation);
	for (int64_t k = (int64_t)step - 1; k < got; k += (int64_t)step)
		if (words[k] && !(words[k] & COVBUF_NOT_A_RECORD))
			add_sample(sample, words[k], (double)fresh * (double)step / (double)nr);
}

/* ---- areas ----------------------------------------------------------------------------------- */

/* Whether there is a record in the probe's length of words from a place. */
static bool has_records(struct top_sample *sample, uint32_t i, const struct covbuf_area *area, uint64_t from)
{
	uint64_t words[PROBE_WORDS];
	int64_t got = covbuf_view_words(sample->segment, i, area, from, PROBE_WORDS, words);

	for (int64_t k = 0; k < got; k++)
		if (words[k])
			return true;
	return false;
}

/* Where a linear area's records end, to within a probe: it fills from the start, holes are rare and short. */
static uint64_t find_end(struct top_sample *sample, uint32_t i, const struct covbuf_area *area, uint64_t from)
{
	uint64_t low = from, high = area->nr_words;
	uint64_t words[PROBE_WORDS];
	int64_t got;

	while (high - low > PROBE_WORDS) {
		uint64_t middle = (low + (high - low) / 2) / PROBE_WORDS * PROBE_WORDS;

		if (middle <= low)
			break;
		if (has_records(sample, i, area, middle))
			low = middle;
		else
			high = middle;
	}
	got = covbuf_view_words(sample->segment, i, area, low, PROBE_WORDS, words);
	for (; got > 0; got--)
		if (words[got - 1])
			return low + (uint64_t)got;
	return low;
}

static void look_at_area(struct top_sample *sample, uint32_t i)
{
	struct top_area *seen = &sample->areas[i];
	struct top_thread *thread;
	struct covbuf_area area;
	uint64_t step, end, fresh;
	uint32_t state;

	if (seen->finished || covbuf_view_area(sample->segment, i, &area))
		return;
	state = COVBUF_FLAG_STATE(area.flag);
	if ((state != COVBUF_AREA_HELD && state != COVBUF_AREA_QUEUED && state != COVBUF_AREA_ENDED) || !area.nr_words)
		return;
	if (seen->generation != COVBUF_FLAG_GENERATION(area.flag))
		*seen = (struct top_area){ .generation = COVBUF_FLAG_GENERATION(area.flag) };
	step = area.mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	if (area.kind == COVBUF_RING) {
		end = area.position >= COVBUF_RING_START ? area.position - COVBUF_RING_START : 0;
		fresh = end > seen->end ? end - seen->end : 0;
	} else {
		end = find_end(sample, i, &area, seen->end);
		fresh = end > seen->end ? (end - seen->end) / step : 0;
	}
	thread = find_thread(sample, area.pid, area.tid);
	thread->records += fresh;
	thread->fresh += fresh;
	sample->records += fresh;
	sample->fresh += fresh;
	if (fresh)
		sample_words(sample, i, &area, area.kind == COVBUF_RING ? area.nr_words : end, fresh);
	seen->end = end;
	seen->finished = state == COVBUF_AREA_ENDED;
}

static void make_room_for_areas(struct top_sample *sample)
{
	uint32_t nr = sample->header.nr_areas;

	if (nr <= sample->nr_areas)
		return;
	sample->areas = must_realloc(sample->areas, nr * sizeof(*sample->areas));
	memset(sample->areas + sample->nr_areas, 0, (nr - sample->nr_areas) * sizeof(*sample->areas));
	sample->nr_areas = nr;
}

int top_look(struct top_sample *sample)
{
	uint64_t now = now_ns();
	int err = covbuf_view_header(sample->segment, &sample->header);

	if (err)
		return err;
	make_room_for_areas(sample);
	look_at_modules(sample);
	look_at_threads(sample);
	age_functions(sample);
	sample->fresh = 0;
	for (uint32_t i = 0; i < sample->header.nr_areas; i++)
		look_at_area(sample, i);
	if (sample->nr_functions)
		qsort(sample->functions, sample->nr_functions, sizeof(*sample->functions), compare_functions);
	sample->interval_ns = sample->looked_ns ? now - sample->looked_ns : 0;
	sample->looked_ns = now;
	return 0;
}

void top_fini(struct top_sample *sample)
{
	for (size_t i = 0; i < sample->nr_binaries; i++)
		binary_close(sample->binaries[i].binary);
	free(sample->binaries);
	free(sample->threads);
	free(sample->functions);
	free(sample->areas);
	address_space_fini(&sample->space);
	addresses_fini(&sample->map);
	recording_fini(&sample->modules);
}
