// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kill -9 of the consumer, at every instruction of a pass. Another one goes on: what the first was given,
 * and what the second gets, is together every record, each once, but for what docs/reading.md says:
 *
 *   an area that was in the dead consumer's hands may be given again, or counted again
 *   of a ring in use, the batch that it had taken and not given is gone
 *
 * A ring goes on: what its writer makes afterwards is delivered in order, lap after lap.
 *
 * x86-64 only: exits with 77 elsewhere. See death_engine.c for the options, and for what this says about POWER; what
 * --only looks at are names as "a queue in memory", "a queue in a file".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "libcovbuf/core/engine.h"
#include "shm/shm.h"

#define KIND(k) (1u << (k))
#define RING_RECORDS 100
#define LAPS 3

/* What the consumer finds, and what happens after its death. */
struct scene {
	const char *name;
	uint32_t kinds;
	void (*before)(void);	/* in the process that records */
	void (*goes_on)(void);	/* after the death, LAPS times */
	bool dies;		/* before the consumer comes */
	uint64_t handed;	/* records of a ring that may go with the consumer */
	uint64_t again;		/* areas that may be given again */
};

static void sections(uint32_t kind, uint32_t nr, uint32_t nr_records)
{
	while (nr--) {
		covbuf_token token = covbuf_remote_start(victim_handle(kind));

		books_emit_many(VICTIM, 0, nr_records);
		covbuf_remote_stop(token);
	}
}

/* Few, since of a loop only the first turns are tried. */
static void queue_two(void)
{
	sections(PLAIN, 2, 2);
}

static void queue_cmp(void)
{
	sections(CMP, 1, 3);
}

static void queue_some(void)
{
	sections(PLAIN, 3, 5);
	sections(CMP, 2, 5);
	sections(RING, 1, 5);
}

static void queue_again(void)
{
	sections(PLAIN, 1, 3);
}

static void in_ring(uint32_t kind)
{
	covbuf_remote_start(victim_handle(kind));
	books_emit_many(VICTIM, 0, RING_RECORDS);
}

static void in_pc_ring(void)
{
	in_ring(RING);
}

static void in_cmp_ring(void)
{
	in_ring(CMP_RING);
}

/* More than half a lap, so that the slots of the first records are come to again, and none is lost. */
static void most_of_a_lap(void)
{
	const struct covb_frame *top = covbuf_context()->top;

	books_emit_many(VICTIM, 0, (uint32_t)(top->mask + 1) * 3 / 4);
}

/* The ring's owner has moved on, so the consumer drops it. */
static void stale_ring(void)
{
	covbuf_token token = covbuf_remote_start(victim_handle(RING));

	books_emit_many(VICTIM, 0, RING_RECORDS);
	covbuf_disable(victim.owner[RING]);
	covbuf_remote_stop(token);
}

/* Some of everything. */
static void hold_a_lot(void)
{
	uint32_t *merging = &victim.owner[KCOV]->slot->merging;
	uint64_t *words, nr_words, ticket;
	uint32_t room;

	queue_some();
	sections(KCOV, 1, 5);
	covb_store(merging, 1u << 31 | covb_engine.proc);
	sections(KCOV, 2, 5);
	covbuf_area_take(0, &words, &nr_words, &ticket);
	covbuf_enable(victim.owner[PLAIN]);
	books_emit_many(VICTIM, 0, 5);
	covbuf_remote_start(victim_handle(GROW));
	room = covbuf_class_words(0);
	books_emit_many(VICTIM, 0, room + 5);
	covbuf_remote_start(victim_handle(RING));
	books_emit_many(VICTIM, 0, 5);
	covbuf_remote_start(victim_handle(CMP));
	books_emit_many(VICTIM, 0, 5);
}

static const struct scene scenes[] = {
	{ "a queue", KIND(PLAIN), queue_two, queue_again, false, 0, 1 },
	{ "a queue of cmp", KIND(CMP), queue_cmp, NULL, false, 0, 1 },
	{ "queues", KIND(PLAIN) | KIND(CMP) | KIND(RING), queue_some, queue_again, false, 0, 1 },
	{ "a ring in use", KIND(RING), in_pc_ring, most_of_a_lap, false, RING_RECORDS, 0 },
	{ "a ring of cmp in use", KIND(CMP_RING), in_cmp_ring, most_of_a_lap, false, RING_RECORDS, 0 },
	{ "a ring that came too late", KIND(RING), stale_ring, NULL, false, 0, 1 },
	{ "what a dead process held", KIND(PLAIN) | KIND(CMP) | KIND(RING) | KIND(KCOV) | KIND(GROW), hold_a_lot, NULL,
	  true, 5, 1 },
};
#define NR_SCENES (sizeof(scenes) / sizeof(scenes[0]))

/* ---- processes ------------------------------------------------------------------------------- */

enum { READY = 1, GO = 100, DONE = 200 };

static void record(const struct scene *scene)
{
	const struct operation op = { .kinds = scene->kinds };

	if (victim_set_up(&op))
		_exit(CANNOT);
	scene->before();
	books_set_phase(READY);
	if (scene->dies)
		driver_die();
	for (uint32_t lap = 0; scene->goes_on && lap < LAPS; lap++) {
		books_wait_for_phase(GO + lap);
		scene->goes_on();
		books_set_phase(DONE + lap);
	}
	books_wait_for_phase(GO + LAPS);
	_exit(SURVIVED);
}

static struct covbuf_segment *consumed;

static void drain(void)
{
	covbuf_drain(consumed, COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT, books_give_batch, NULL, NULL);
}

static void consume(const struct step_instruction *at)
{
	const struct step_plan plan = { .body = { drain, driver_die }, .at = { at } };

	if (covbuf_segment_open(victim.where[ASKED], COVBUF_OPEN_CONSUME, &consumed, NULL))
		_exit(CANNOT);
	if (!at)
		driver_record(drain);
	step_run(&plan);
	_exit(SURVIVED);
}

/* ---- the judgement --------------------------------------------------------------------------- */

/* Of what was made so far, nothing is missing but what the dead consumer had taken. */
static void expect_no_more_missing(struct judge *judge, const struct scene *scene, uint32_t lap)
{
	uint64_t begun = books_begun(), accounted = judge->found.records + judge_counted(judge);

	if (accounted + scene->handed < begun)
		books_fail("lap %u: of %lu records only %lu are found or counted", lap, begun, accounted);
}

static bool judge_one(struct judge *judge, const struct scene *scene, const struct step_instruction *at)
{
	struct judge_limits limits = { .drained = true, .again_areas = scene->again, .open = scene->handed };
	pid_t recorder, consumer;
	uint32_t lap = 0;
	bool died;

	judge_new_round(judge, driver.rounds++);
	if (driver_fork(&recorder))
		record(scene);
	books_wait_for_phase(READY);
	if (scene->dies)
		driver_wait(recorder);
	driver_consume(judge->segment, false);
	if (driver_fork(&consumer))
		consume(at);
	died = driver_wait(consumer);
	driver_consume(judge->segment, true);
	books_add_given(&judge->found);
	judge_drain(judge);
	for (; scene->goes_on && lap < LAPS; lap++) {
		books_set_phase(GO + lap);
		books_wait_for_phase(DONE + lap);
		judge_drain(judge);
		expect_no_more_missing(judge, scene, lap);
	}
	books_set_phase(GO + LAPS);
	if (!scene->dies)
		driver_wait(recorder);
	if (!died)
		limits = (struct judge_limits){ .drained = true };
	judge_books(judge, &limits);
	judge_pool(judge);
	if (died)
		driver_work_on(judge, ASKED);
	driver.kills += died;
	driver.survived += !died;
	return died;
}

static void every_point(struct judge *judge, const struct scene *scene, const char *where)
{
	struct step_trace trace;
	uint32_t tried = 0, hit = 0, stride;

	judge_one(judge, scene, NULL);
	if (!driver_recorded(&trace)) {
		books_fail("\"%s\" cannot be recorded", scene->name);
		return;
	}
	stride = driver_stride(&trace);
	for (uint32_t i = (uint32_t)(driver.seed % stride); i < trace.nr && !books->errors; i += stride, tried++) {
		hit += judge_one(judge, scene, &trace.at[i]);
		if (books->errors)
			fprintf(stderr, "  in \"%s\", at +%#lx, turn %u\n", scene->name, driver_offset(&trace.at[i]),
				trace.at[i].occurrence);
	}
	driver_expect_hits(scene->name, tried, hit);
	printf("%-28s %-7s %5u points, %5u tried, %5u hit\n", scene->name, where, trace.nr, tried, hit);
	fflush(stdout);
	free(trace.at);
}

/* In memory batches are given where they lie; in a file, which might be cut short, they are copied first. */
static void every_scene(const char *path, const char *where)
{
	struct judge *judge = calloc(1, sizeof(*judge));

	if (!judge || driver_begin_world(judge, ASKED, path)) {
		books_fail("no segment in %s", where);
		return;
	}
	for (uint32_t i = 0; i < NR_SCENES && !books->errors; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s in %s", scenes[i].name, where);
		if (driver_wants(name))
			every_point(judge, &scenes[i], where);
	}
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/covbuf-death-XXXXXX", path[64];
	int ended = driver_begin(argc, argv);

	if (ended >= 0)
		return ended;
	every_scene(NULL, "memory");
	if (!mkdtemp(directory)) {
		perror(directory);
		return CANNOT;
	}
	snprintf(path, sizeof(path), "%s/segment", directory);
	every_scene(path, "a file");
	unlink(path);
	rmdir(directory);
	return driver_end();
}
