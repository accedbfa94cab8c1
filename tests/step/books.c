// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One run of an operation: what it begins with, and whether the books balance afterwards.
 */
#include <string.h>

#include "check.h"
#include "emit.h"
#include "operations.h"

#define NR_AREAS 12
#define NR_TARGETS 3

static struct {
	uint64_t runs;
	/* when the operation began */
	uint64_t lost, dropped, errors;
	covbuf_token top;
} books;

static uint64_t lost_records(void)
{
	return check_lost(COVBUF_LOST_FULL) + check_lost(COVBUF_LOST_NO_AREA) + check_lost(COVBUF_LOST_STALE);
}

static covbuf_token token_on_top(void)
{
	const struct covb_frame *top = covbuf_context()->top;

	return top ? top->token : 0;
}

covbuf_token operation_prepare(const struct operation *op)
{
	covbuf_token token = 0;

	books.lost = lost_records();
	books.dropped = check_dropped();
	books.errors = check.errors;
	check_new_round((uint32_t)books.runs++);
	memset(test.section, 0, sizeof(test.section));
	memset(test.marks, 0, sizeof(test.marks));
	test.outer = test.nr_mergeable = test.nr_forgotten = test.nr_perhaps = 0;
	test.quiet_count = ~0ull;
	test.reset_sequence = ~0ull;
	test.seen_sequence = 0;
	test.may_lack_areas = false;
	/* the same areas each time, so that it goes the same way */
	covbuf_context()->hint = 0;
	covb_store(&covb_engine.classes[0].hint, 0);
	if (covbuf_context()->priv)
		((struct covb_context_private *)covbuf_context()->priv)->recorded = false;
	if (op->kind < NR_KINDS) {
		token = body_start(op->kind);
		test.outer = test.section[0];
		if (!(op->flags & OP_FIRST))
			body_emit();
	}
	if (op->room >= 0)
		body_fill_but((uint32_t)op->room);
	if (op->before)
		op->before();
	books.top = token_on_top();
	return token;
}

static void collect_all(void)
{
	body_take_target(KCOV);
	body_take_target(KCOV_CMP);
	body_take_target(OWN_KCOV);
	body_drain(0);
}

bool operation_finish(const struct operation *op, covbuf_token token)
{
	uint64_t emitted = 0, lost, missing;

	if (!(op->flags & OP_SWITCHES) && token_on_top() != books.top)
		check_fail("another frame is on top than was before");
	if (op->after)
		op->after();
	body_fill_pool();
	body_stop(token, 0);
	if (covbuf_context()->top)
		check_fail("a frame is left on the stack");
	collect_all();
	for (uint32_t l = 0; l < NR_LEVELS; l++)
		emitted += check.source[0][l].emitted;
	lost = lost_records() - books.lost + check_dropped() - books.dropped;
	missing = emitted - check.found - lost;
	if (missing > test.nr_perhaps + (op->flags & OP_FORGETS ? test.nr_forgotten : 0))
		check_fail("%lu emitted; %lu found, %lu lost", emitted, check.found, lost);
	if (check_areas(NR_TARGETS) != NR_AREAS + NR_TARGETS)
		check_fail("an area is missing");
	return check.errors == books.errors;
}

int operations_begin(void)
{
	struct covbuf_segment_options options = { .limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536,
						  .nr_contexts = 16, .nr_procs = 4, .nr_owners = 16 };
	int err = covbuf_segment_create(NULL, &options, &test.segment, NULL);

	if (!err)
		err = covbuf_attach_segment(test.segment);
	if (!err)
		err = covbuf_segment_consume(test.segment);
	if (!err)
		err = check_init(1);
	if (err)
		return err;
	covb_sites_reserve(NR_LEVELS);
	check.by_token = true;
	for (uint32_t k = 0; k < NR_KINDS && !err; k++) {
		if (kinds[k].flags & COVBUF_OWNER_KCOV)
			covbuf_pool_grow(0, 1);
		err = covbuf_owner_create(&kinds[k], &test.owner[k]);
		if (!err && k < NR_ENABLED)
			body_remote_enable(k);
	}
	return err;
}
