// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "top_sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "strings.h"
#include "symbols.h"

/* Words that are looked at for where they come from: of an area, and of all at one look. */
#define SAMPLE_WORDS 1024u
#define FEWEST_WORDS 16u
#define LOOK_WORDS 65536u
#define PROBE_WORDS 64

static struct top_thread *find_thread(struct top_sample *sample, uint32_t pid, uint32_t tid)
{
	uint32_t i = index_find(&sample->threads_by_id, (uint64_t)pid << 32 | tid, (uint32_t)sample->nr_threads);

	if (i == sample->nr_threads) {
		sample->threads = must_grow(sample->threads, sample->nr_threads, &sample->room_threads,
					    sizeof(*sample->threads));
		sample->threads[sample->nr_threads++] = (struct top_thread){ .pid = pid, .tid = tid };
	}
	return &sample->threads[i];
}

/* Asked once at each look: it takes a look into /proc, and a process may have many threads. */
static bool is_alive(struct top_sample *sample, uint32_t proc)
{
	if (proc >= COVBUF_MAX_PROCS)
		return false;
	if (!sample->alive[proc])
		sample->alive[proc] = 1 + covbuf_proc_alive(sample->segment, proc);
	return sample->alive[proc] == 2;
}

static void look_at_threads(struct top_sample *sample)
{
	for (size_t i = 0; i < sample->nr_threads; i++) {
		sample->threads[i].fresh = 0;
		sample->threads[i].lost = 0;
		sample->threads[i].live = false;
	}
	sample->lost = 0;
	memset(sample->alive, 0, sizeof(sample->alive));
	for (uint32_t i = 0; i < sample->header.contexts.nr; i++) {
		struct covbuf_context_slot slot;
		struct top_thread *thread;

		if (covbuf_view_context(sample->segment, i, &slot))
			continue;
		thread = find_thread(sample, slot.pid, slot.tid);
		memcpy(thread->name, slot.name, sizeof(thread->name));
		thread->live = (slot.state & 0xff) == COVBUF_CONTEXT_LIVE &&
			       is_alive(sample, (slot.state >> 8) & 0xffff);
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

static struct top_function *find_function(struct top_sample *sample, const char *name, const char *module)
{
	const char *key = intern_printf("%s\n%s", module, name);
	uint32_t i = index_find(&sample->functions_by_key, (uintptr_t)key, (uint32_t)sample->nr_functions);

	if (i == sample->nr_functions) {
		sample->functions = must_grow(sample->functions, sample->nr_functions, &sample->room_functions,
					      sizeof(*sample->functions));
		sample->functions[sample->nr_functions++] =
			(struct top_function){ .key = key, .name = name, .module = module };
	}
	return &sample->functions[i];
}

static void add_sample(struct top_sample *sample, uint64_t pc, double weight)
{
	const struct address_range *range = addresses_find(&sample->space, pc);

	if (range)
		find_function(sample, name_of(sample, range, pc), sample->modules.modules[range->module].path)->weight += weight;
}

/* Older samples count half of what they did; those that hardly count are dropped. */
static void age_functions(struct top_sample *sample)
{
	size_t kept = 0;

	index_fini(&sample->functions_by_key);
	for (size_t i = 0; i < sample->nr_functions; i++) {
		sample->functions[i].weight /= 2;
		if (sample->functions[i].weight < 0.5)
			continue;
		sample->functions[kept] = sample->functions[i];
		index_find(&sample->functions_by_key, (uintptr_t)sample->functions[kept].key, (uint32_t)kept);
		kept++;
	}
	sample->nr_functions = kept;
}

static int compare_functions(const void *a, const void *b)
{
	double x = ((const struct top_function *)a)->weight;
	double y = ((const struct top_function *)b)->weight;

	return x > y ? -1 : x < y;
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

/* A finished area says it; it may count a few that were never stored. */
static bool knows_end(const struct covbuf_area *area)
{
	return area->kind == COVBUF_LINEAR && COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_ENDED && area->filled_words &&
	       area->filled_words <= area->nr_words;
}

static void look_at_area(struct top_sample *sample, uint32_t i)
{
	struct top_area *seen = &sample->areas[i];
	struct top_thread *thread;
	struct covbuf_area area;
	uint64_t step, end, fresh;
	uint32_t state;

	seen->fresh = 0;
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
		end = knows_end(&area) ? area.filled_words : find_end(sample, i, &area, seen->end);
		fresh = end > seen->end ? (end - seen->end) / step : 0;
	}
	thread = find_thread(sample, area.pid, area.tid);
	thread->records += fresh;
	thread->fresh += fresh;
	sample->records += fresh;
	sample->fresh += fresh;
	sample->nr_fresh += fresh != 0;
	seen->fresh = fresh;
	seen->end = end;
	seen->finished = state == COVBUF_AREA_ENDED;
}

/* The newest records of an area, each standing for as many as were made for each that is looked at. */
static void sample_area(struct top_sample *sample, uint32_t i, uint64_t most_words, uint64_t stands_for)
{
	const struct top_area *seen = &sample->areas[i];
	uint64_t words[SAMPLE_WORDS];
	struct covbuf_area area;
	uint64_t step, nr, end;
	int64_t got;

	if (covbuf_view_area(sample->segment, i, &area) || COVBUF_FLAG_GENERATION(area.flag) != seen->generation)
		return;
	step = area.mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	nr = seen->fresh < most_words / step ? seen->fresh * step : most_words;
	end = area.kind == COVBUF_RING ? area.nr_words : seen->end;
	got = covbuf_view_words(sample->segment, i, &area, end > nr ? end - nr : 0, nr, words);
	if (got < (int64_t)step)
		return;
	addresses_select(&sample->space, &sample->map, area.pid, area.images, area.module_generation);
	for (int64_t k = (int64_t)step - 1; k < got; k += (int64_t)step)
		if (words[k] && !(words[k] & COVBUF_NOT_A_RECORD))
			add_sample(sample, words[k], (double)(seen->fresh * stands_for * step) / (double)nr);
}

/* Of few areas much of each; of very many a little of some, and each of these stands for several. */
static void sample_areas(struct top_sample *sample)
{
	uint32_t stride = 1 + sample->nr_fresh / (LOOK_WORDS / FEWEST_WORDS);
	uint32_t words = sample->nr_fresh ? LOOK_WORDS / sample->nr_fresh : 0;
	uint32_t nr = 0;

	if (words > SAMPLE_WORDS)
		words = SAMPLE_WORDS;
	if (words < FEWEST_WORDS)
		words = FEWEST_WORDS;
	for (uint32_t i = 0; i < sample->header.nr_areas; i++)
		if (sample->areas[i].fresh && nr++ % stride == 0)
			sample_area(sample, i, words / COVBUF_CMP_WORDS * COVBUF_CMP_WORDS, stride);
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
	sample->nr_fresh = 0;
	for (uint32_t i = 0; i < sample->header.nr_areas; i++)
		look_at_area(sample, i);
	sample_areas(sample);
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
	index_fini(&sample->threads_by_id);
	free(sample->functions);
	index_fini(&sample->functions_by_key);
	free(sample->areas);
	address_space_fini(&sample->space);
	address_space_fini(&sample->space);
	addresses_fini(&sample->map);
	recording_fini(&sample->modules);
}
