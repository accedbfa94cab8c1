// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kill -9 of the process that makes a segment, at every instruction of making it, of making and retiring
 * areas, and of cutting the file. Afterwards the segment is refused, if it was not made to the end; or it is
 * whole: its free areas are as the pool wants them, none is there twice, and other processes work on in it
 * with what there is. An area that was being retired is nobody's: nobody else can retire it, or make more.
 *
 * jemalloc, whose bookkeeping dies with the process, is run through. x86-64 only: exits with 77 elsewhere.
 * See death_engine.c for the options, and for what this says about POWER.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "shm/shm.h"

#define NR_FIRST 14 /* areas that are there before the operation; what a new process needs is fewer */

void *covb_je_mallocx(size_t bytes, int flags);
void covb_je_dallocx(void *ptr, int flags);
int covb_je_mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);

static struct covbuf_segment *made;
static char where[32];

static void create(void)
{
	struct covbuf_segment_options options = {
		.limit_bytes = 16u << 20, .initial_bytes = NR_FIRST * 65536, .nr_procs = NR_PROCS,
		.nr_contexts = NR_CONTEXTS, .nr_owners = 12, .nr_modules = 32,
	};

	if (covbuf_segment_create(where, &options, &made, NULL))
		_exit(CANNOT);
}

static void grow(void)
{
	covbuf_segment_grow(made, 0, 3);
}

static void grow_larger(void)
{
	covbuf_segment_grow(made, 2, 1);
}

static void shrink(void)
{
	covbuf_segment_shrink(made, 0, 2);
}

static void trim(void)
{
	covbuf_segment_trim(made);
}

static void shrink_and_grow(void)
{
	shrink();
	grow();
}

static const struct {
	const char *name;
	step_fn body;
	bool creates;	/* the body makes the segment, too */
	uint32_t nr_least; /* areas that are free afterwards, at least */
} operations_of_maker[] = {
	{ "make a segment", create, true, NR_FIRST },
	{ "make areas", grow, false, NR_FIRST },
	{ "make an area of another class", grow_larger, false, NR_FIRST },
	{ "retire areas", shrink, false, NR_FIRST - 2 },
	{ "retire areas and make others", shrink_and_grow, false, NR_FIRST - 2 },
	{ "cut the file", trim, false, 0 },
};
#define NR_OPERATIONS (sizeof(operations_of_maker) / sizeof(operations_of_maker[0]))

static void make(uint32_t o, const struct step_instruction *at)
{
	const struct step_plan plan = { .body = { operations_of_maker[o].body, driver_die }, .at = { at } };

	if (!operations_of_maker[o].creates)
		create();
	if (!at)
		driver_record(operations_of_maker[o].body);
	step_run(&plan);
	_exit(SURVIVED);
}

static bool are_free_and_overlap(const struct covbuf_area *a, const struct covbuf_area *b)
{
	return COVBUF_FLAG_STATE(a->flag) == COVBUF_AREA_FREE && COVBUF_FLAG_STATE(b->flag) == COVBUF_AREA_FREE &&
	       a->offset_bytes < b->offset_bytes + covbuf_class_bytes(b->area_class) &&
	       b->offset_bytes < a->offset_bytes + covbuf_class_bytes(a->area_class);
}

static void expect_apart(const struct covbuf_segment *segment)
{
	for (uint32_t i = 0; i < covb_segment_nr_areas(segment); i++)
		for (uint32_t k = 0; k < i; k++)
			if (are_free_and_overlap(&segment->areas[i], &segment->areas[k]))
				books_fail("areas %u and %u share storage", i, k);
}

static void judge_segment(struct judge *judge, uint32_t nr_least)
{
	const struct judge_limits none = { 0 };

	if (judge_init(judge, judge->segment, false)) {
		books_fail("the segment cannot be observed");
		return;
	}
	judge->maker_died = true;
	if (judge->nr_areas < nr_least)
		books_fail("%u areas are free, %u were before", judge->nr_areas, nr_least);
	expect_apart(judge->segment);
	judge_new_round(judge, driver.rounds++);
	judge_books(judge, &none);
	judge_pool(judge);
	if (judge->nr_areas >= NR_FIRST - 2)
		driver_work_on(judge, ASKED);
	covbuf_segment_close(judge->observer);
}

/* Returns whether it died. */
static bool judge_one(struct judge *judge, uint32_t o, const struct step_instruction *at)
{
	struct covbuf_message why;
	bool died;
	pid_t pid;
	int err;

	if (driver_fork(&pid))
		make(o, at);
	died = driver_wait(pid);
	err = covbuf_segment_open(where, COVBUF_OPEN_CONSUME | COVBUF_OPEN_ATTACH, &judge->segment, &why);
	if (!err) {
		judge_segment(judge, operations_of_maker[o].nr_least);
		covbuf_segment_close(judge->segment);
	} else if (!operations_of_maker[o].creates || (err != -EPROTO && err != -ENOENT)) {
		books_fail("the segment cannot be opened: %s", why.text);
	}
	covb_storage_remove(where);
	driver.kills += died;
	driver.survived += !died;
	return died;
}

static void every_point(struct judge *judge, uint32_t o)
{
	const char *name = operations_of_maker[o].name;
	struct step_trace trace;
	uint32_t tried = 0, hit = 0, stride;

	judge_one(judge, o, NULL);
	if (!driver_recorded(&trace)) {
		books_fail("\"%s\" cannot be recorded", name);
		return;
	}
	stride = driver_stride(&trace);
	for (uint32_t i = (uint32_t)(driver.seed % stride); i < trace.nr && !books->errors; i += stride, tried++) {
		hit += judge_one(judge, o, &trace.at[i]);
		if (books->errors)
			fprintf(stderr, "  in \"%s\", at +%#lx, turn %u\n", name, driver_offset(&trace.at[i]),
				trace.at[i].occurrence);
	}
	driver_expect_hits(name, tried, hit);
	printf("%-36s %5u points, %5u tried, %5u hit\n", name, trace.nr, tried, hit);
	fflush(stdout);
	free(trace.at);
}

int main(int argc, char **argv)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	int ended = driver_begin(argc, argv);

	if (ended >= 0)
		return ended;
	step_skip((const void *)(uintptr_t)covb_je_mallocx);
	step_skip((const void *)(uintptr_t)covb_je_dallocx);
	step_skip((const void *)(uintptr_t)covb_je_mallctl);
	snprintf(where, sizeof(where), "name:/covbuf-death-%d", getpid());
	snprintf(victim.where[ASKED], sizeof(victim.where[ASKED]), "%s", where);
	for (uint32_t o = 0; o < NR_OPERATIONS && judge && !books->errors; o++)
		if (driver_wants(operations_of_maker[o].name))
			every_point(judge, o);
	return judge ? driver_end() : CANNOT;
}
