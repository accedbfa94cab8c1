/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records that scenarios emit, what becomes of them, and what must be true in the end:
 *
 *   I1  emitted = found + lost, for each section and altogether
 *   I2  what is found was emitted, once, and is whole
 *   I3  it is found under the handle and token of the section that it was emitted in
 *   I4  in the end every area is in the pool, and empty
 */
#include "scenario.h"

struct tally tally;
struct covbuf_owner *owner, *other_owner;

/* ---- records ----------------------------------------------------------------------------------- */

void emit(uint32_t section)
{
	covbuf_trace_pc(RECORD(section, tally.emitted[section]++));
}

void emit_cmp(uint32_t section)
{
	uint64_t record = RECORD(section, tally.emitted[section]++);

	covbuf_trace_cmp(record + 1, record + 2, record + 3, record);
}

void check_record(uint64_t handle, uint64_t token, uint32_t mode, const uint64_t *record)
{
	uint64_t key = mode == COVBUF_MODE_CMP ? record[COVBUF_CMP_WORDS - 1] : record[0];
	uint32_t section = RECORD_SECTION(key), n = RECORD_NUMBER(key);

	CHECK((key & ~0xffffffffull) == RECORD_MARK);
	CHECK(section < MAX_SECTIONS && n < 64 && n < tally.emitted[section]);
	if (mode == COVBUF_MODE_CMP)
		CHECK(record[0] == key + 1 && record[1] == key + 2 && record[2] == key + 3);
	CHECK(handle == tally.handle[section]);
	CHECK(!tally.token[section] || token == tally.token[section]);
}

void found(uint64_t handle, uint64_t token, uint32_t mode, const uint64_t *record)
{
	uint64_t key = mode == COVBUF_MODE_CMP ? record[COVBUF_CMP_WORDS - 1] : record[0];
	uint32_t section = RECORD_SECTION(key), n = RECORD_NUMBER(key);

	check_record(handle, token, mode, record);
	CHECK(!(tally.seen[section] & 1ull << n));
	tally.seen[section] |= 1ull << n;
	tally.found[section]++;
}

int found_batch(const struct covbuf_batch *batch, void *arg)
{
	uint32_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	(void)arg;
	for (uint64_t i = 0; i + step <= batch->nr_words; i += step) {
		uint64_t key = batch->words[i + step - 1];

		if (key && !(key & COVBUF_NOT_A_RECORD))
			found(batch->handle, batch->token, batch->mode, &batch->words[i]);
	}
	return 0;
}

/* ---- flows ------------------------------------------------------------------------------------- */

void begin(uint32_t nr_areas)
{
	memset(&tally, 0, sizeof(tally));
	covb_model_attach(nr_areas);
}

struct covbuf_owner *make_owner(uint32_t mode, uint32_t kind, uint32_t flags, uint32_t nr_handles)
{
	struct covbuf_owner_options options = { .mode = mode, .kind = kind, .flags = flags };
	uint64_t handles[4] = { HANDLE(1), HANDLE(2), HANDLE(3), HANDLE(4) };
	struct covbuf_owner *made = NULL;

	CHECK(!covbuf_owner_create(&options, &made));
	if (nr_handles)
		CHECK(!covbuf_remote_enable(made, handles, nr_handles, 0));
	return made;
}

void open_contexts(void)
{
	for (uint32_t i = 0; i < COVB_MODEL_NR_THREADS; i++) {
		covb_model_be(i);
		CHECK(covb_context_open(covb_plat_context()));
	}
	covb_model_be(COVB_MODEL_NR_THREADS);
}

bool run_section(uint32_t section, uint64_t handle, uint32_t nr)
{
	covbuf_token token = covbuf_remote_start(handle);

	if (!token)
		return false;
	tally.handle[section] = handle;
	tally.token[section] = token;
	while (nr--)
		emit(section);
	CHECK(!covbuf_remote_stop(token));
	return true;
}

bool run_cmp_section(uint32_t section, uint64_t handle, uint32_t nr)
{
	covbuf_token token = covbuf_remote_start(handle);

	if (!token)
		return false;
	tally.handle[section] = handle;
	tally.token[section] = token;
	while (nr--)
		emit_cmp(section);
	CHECK(!covbuf_remote_stop(token));
	return true;
}

struct covbuf_drained drain(unsigned int flags)
{
	struct covbuf_drained sum;

	CHECK(!covbuf_drain(&covb_segment, flags, found_batch, NULL, &sum));
	tally.holes += sum.lost;
	return sum;
}

/* ---- afterwards -------------------------------------------------------------------------------- */

uint64_t losses(enum covbuf_loss cause)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < covb_segment.layout.contexts.nr; i++)
		sum += covb_segment.contexts[i].lost[cause];
	for (uint32_t i = 0; i < covb_segment.layout.procs.nr; i++)
		sum += covb_segment.procs[i].lost[cause];
	return sum;
}

/* Of those that count records. */
uint64_t all_losses(void)
{
	uint64_t sum = losses(COVBUF_LOST_FULL) + losses(COVBUF_LOST_NO_AREA) + losses(COVBUF_LOST_STALE);

	for (uint32_t i = 0; i < covb_segment.layout.owners.nr; i++)
		sum += covb_segment.owners[i].stale + covb_segment.owners[i].merge_lost;
	return sum;
}

void check_pool(void)
{
	for (uint32_t i = 0; i < covb_segment.header->nr_areas; i++) {
		const struct covbuf_area *area = &covb_segment.areas[i];
		const uint64_t *words = (const uint64_t *)(covb_segment.base + area->offset_bytes);
		uint32_t state = COVBUF_FLAG_STATE(area->flag);

		if (state == COVBUF_AREA_TARGET || state == COVBUF_AREA_RETIRED)
			continue;
		CHECK(state == COVBUF_AREA_FREE);
		for (uint32_t k = 0; k < covbuf_class_words(area->area_class); k++)
			CHECK(!words[k]);
	}
}

void check_all(void)
{
	uint64_t emitted = 0, found = 0, stale = 0;

	drain(0);
	for (uint32_t i = 0; i < covb_segment.layout.owners.nr; i++)
		stale += covb_segment.owners[i].stale;
	for (uint32_t i = 0; i < MAX_SECTIONS; i++) {
		emitted += tally.emitted[i];
		found += tally.found[i];
	}
	CHECK(emitted == found + all_losses());
	CHECK(tally.holes <= stale);
	check_pool();
}
