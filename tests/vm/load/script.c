// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random scripts. Each section runs the function of its handle only, so any record tells by itself in whose
 * area it may be.
 */
#include "load.h"

/* What runs now: where its records belong. */
struct scope {
	uint32_t fn, account;
	uint64_t *own; /* counts calls that belong to the worker's own trace; NULL in sections */
};

static const struct scope nowhere = { .fn = FN_NOWHERE };

static struct sections_op *add_call(struct sections_op *op, const struct scope *scope)
{
	uint32_t n = 1 + draw(30);

	*op = (struct sections_op){ .what = SECTIONS_CALL, .fn = scope->fn, .account = scope->account, .n = n };
	if (scope->own)
		*scope->own += n;
	return op + 1;
}

static struct sections_op *add(struct sections_op *op, const struct sections_op *end, const struct scope *scope,
			       uint32_t may, int depth);

static struct sections_op *add_section(struct sections_op *op, const struct sections_op *end, const struct scope *outer,
				       uint32_t may, int depth)
{
	struct scope scope = *outer;
	struct sections_op start = START(HANDLE_UNKNOWN); /* what runs in there belongs to the outer one */
	uint32_t i = draw(NR_STEADY), kind = draw(shared->shifting ? 8 : 5);

	if (kind > 0 && kind < 5) {
		scope = (struct scope){ .fn = FN_STEADY(i), .account = ACCOUNT_STEADY(i) };
		start.value = HANDLE_STEADY(i);
	} else if (kind == 5) {
		i = draw(NR_MORTAL);
		scope = (struct scope){ .fn = FN_MORTAL(i) };
		start.value = HANDLE_MORTAL(i);
	} else if (kind > 5) {
		i = draw(NR_SHIFTING);
		scope = (struct scope){ .fn = FN_SHIFTING(i) };
		start.value = HANDLE_SHIFTING(i);
		start.account = PHASE_SHIFTING(i);
	}
	*op++ = start;
	if (kind > 5)
		*op++ = (struct sections_op){ .what = SECTIONS_CALL_EPOCH, .fn = scope.fn, .n = 1 + draw(10) };
	op = add(op, end - 1, &scope, may, depth + 1);
	*op++ = (struct sections_op)STOP;
	return op;
}

static struct sections_op *add_level(struct sections_op *op, const struct sections_op *end, const struct scope *scope,
				     uint32_t may, int depth)
{
	const uint32_t soft = 1u << SECTIONS_BH | 1u << SECTIONS_TASKLET | 1u << SECTIONS_TIMER | 1u << SECTIONS_HRTIMER;
	const uint32_t hard = 1u << SECTIONS_HARDTIMER | 1u << SECTIONS_HARDIRQ, irq_off = 1u << SECTIONS_IRQ_OFF;
	const uint32_t here = 1u << SECTIONS_BH_OFF | 1u << SECTIONS_PREEMPT_OFF | irq_off;
	uint32_t level = draw(SECTIONS_NR_LEVELS), bit = 1u << level;

	if (!(may & bit))
		return op;
	*op++ = (struct sections_op){ .what = SECTIONS_IN, .fn = level };
	if (bit & (hard | 1u << SECTIONS_IRQ_WORK)) {
		op = add_call(op, &nowhere);
		if (bit & hard) {
			*op++ = (struct sections_op)START(HANDLE_STEADY(0));
			op = add_call(op, &nowhere);
			*op++ = (struct sections_op)STOP;
		}
	} else {
		op = add(op, end - 1, bit & here ? scope : &nowhere,
			 bit & irq_off ? 0 : bit & (here | soft) ? may & (hard | irq_off) : may & (soft | hard | here), depth + 1);
	}
	*op++ = (struct sections_op)OUT;
	return op;
}

static struct sections_op *add(struct sections_op *op, const struct sections_op *end, const struct scope *scope,
			       uint32_t may, int depth)
{
	for (uint32_t n = 1 + draw(4); n && end - op > 8; n--)
		switch (draw(8)) {
		case 0 ... 2:
			op = add_call(op, scope);
			break;
		case 3 ... 5:
			if (depth < 30)
				op = add_section(op, end, scope, may, depth);
			break;
		case 6:
			op = add_level(op, end, scope, may, depth);
			break;
		case 7:
			if (may & 1u << SECTIONS_WORK)
				*op++ = (struct sections_op)SLEEP(draw(200));
			break;
		}
	return op;
}

/* Sections in sections in sections: more than the pool has areas, when some are at it. */
static struct sections_op *add_deep(struct sections_op *op, const struct scope *scope)
{
	uint32_t depth = 5 + draw(35);

	for (uint32_t k = 0; k < depth; k++) {
		uint32_t i = draw(NR_STEADY);

		*op++ = (struct sections_op)START(HANDLE_STEADY(i));
		op = add_call(op, &(struct scope){ .fn = FN_STEADY(i), .account = ACCOUNT_STEADY(i) });
		if (!draw(8))
			*op++ = (struct sections_op)SLEEP(draw(100));
	}
	while (depth--)
		*op++ = (struct sections_op)STOP;
	return add_call(op, scope);
}

uint32_t script_make(struct sections_op ops[SCRIPT_OPS], uint32_t fn, uint32_t account, uint64_t *own)
{
	const struct scope scope = { .fn = fn, .account = account, .own = own };
	struct sections_op *op = ops;

	*own = 0;
	op = add_call(op, &scope);
	if (!draw(6))
		op = add_deep(op, &scope);
	else
		op = add(op, ops + 8 + draw(SCRIPT_OPS - 10), &scope, (1u << SECTIONS_NR_LEVELS) - 2, 0);
	return add_call(op, &scope) - ops;
}

void script_run(int device, struct sections_op *ops, uint32_t nr_ops)
{
	if (run_ops(device, ops, nr_ops, NULL))
		fail("a script was refused: %s", strerror(errno));
	tally(&shared->nr_scripts, 1);
}
