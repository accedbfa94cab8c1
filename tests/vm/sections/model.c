// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model.h"

enum level { TASK, SOFTIRQ, HARDIRQ };

struct record {
	uint32_t fn;
	uint64_t value;
};

struct section {
	struct section *outer;
	enum level level;
	struct owner *owner; /* NULL: it got no area */
	bool local;
	uint32_t missed; /* starts on top of it that found no owner */
	uint64_t nr_records;
	struct record *records;
};

static void push(struct section **top, struct owner *owner, enum level level, bool local)
{
	struct section *section = calloc(1, sizeof(*section));

	*section = (struct section){ .outer = *top, .level = level, .owner = owner, .local = local };
	*top = section;
}

static void record(struct model *model, struct section *top, const struct record *what)
{
	if (!top->owner)
		model->lost_no_area++;
	else if (top->local)
		model->lost_full += !owner_want(top->owner, what->fn, what->value);
	else if (top->nr_records == (model->area_words - 1) / record_words(top->owner->mode))
		model->lost_full++;
	else {
		if (!(top->nr_records & (top->nr_records - 1)))
			top->records = realloc(top->records, (2 * top->nr_records + 1) * sizeof(*top->records));
		top->records[top->nr_records++] = *what;
	}
}

static void start(struct model *model, struct section **top, enum level level, uint64_t handle)
{
	struct owner *owner = NULL;

	if (handle == SECTIONS_COMMON)
		handle = model->common_handle;
	for (uint32_t i = 0; i < model->nr_owners && handle; i++)
		if (model->owners[i].enabled && (model->owners[i].handle == handle || model->owners[i].common == handle))
			owner = &model->owners[i];
	if (!owner) {
		model->lost_unknown += handle != 0; /* 0: nobody asked for it */
		if (*top && (*top)->level == level)
			(*top)->missed++;
		return;
	}
	if (model->nr_areas)
		model->nr_areas--;
	else
		owner = NULL;
	model->sections++;
	push(top, owner, level, false);
}

static void stop(struct model *model, struct section **top, enum level level)
{
	struct section *section = *top;

	if (!section || section->level != level)
		return;
	if (section->missed) {
		section->missed--;
		return;
	}
	if (section->local)
		return;
	*top = section->outer;
	if (section->owner) {
		model->nr_areas++;
		for (uint64_t i = 0; i < section->nr_records; i++)
			model->lost_merge += !owner_want(section->owner, section->records[i].fn, section->records[i].value);
	}
	free(section->records);
	free(section);
}

static enum level level_of(const struct model *model, uint32_t in, enum level outer)
{
	switch (in) {
	case SECTIONS_BH_OFF:
	case SECTIONS_PREEMPT_OFF:
	case SECTIONS_IRQ_OFF:
		return outer;
	}
	if (model->seen[in] & SECTIONS_SEEN_HARDIRQ)
		return HARDIRQ;
	return model->seen[in] & SECTIONS_SEEN_SOFTIRQ ? SOFTIRQ : TASK;
}

static void run(struct model *model, const struct sections_op *ops, uint32_t nr_ops, enum level level, struct section **top)
{
	for (uint32_t i = 0; i < nr_ops; i++) {
		const struct sections_op *op = &ops[i];
		struct section *nothing = NULL;
		bool here;

		switch (op->what) {
		case SECTIONS_CALL:
			for (uint32_t n = 0; n < op->n && *top && (*top)->level == level; n++)
				record(model, *top, &(struct record){ op->fn, n });
			break;
		case SECTIONS_START:
			start(model, top, level, op->value);
			break;
		case SECTIONS_STOP:
			stop(model, top, level);
			break;
		case SECTIONS_IN:
			/* a softirq that borrows a task finds no section of its own level, like one that does not */
			here = op->fn >= SECTIONS_BH_OFF;
			if (level_of(model, op->fn, level) != HARDIRQ)
				run(model, op + 1, op->n, level_of(model, op->fn, level), here ? top : &nothing);
			i += op->n;
			break;
		}
	}
}

void model_run(struct model *model, const struct sections_op *ops, uint32_t nr_ops)
{
	struct section *top = NULL;

	if (model->local)
		push(&top, model->local, TASK, true);
	run(model, ops, nr_ops, TASK, &top);
	free(top);
}
