// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * seeds DIR [EVERY]: a segment as it is in the middle of what the engine does, at every EVERY-th instruction
 * of recording, nesting, handing over, collecting and merging, as inputs: patches to the empty image that make
 * it so. What the engine leaves when it is killed there is what readers begin with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covbuf/covbuf.h>

#include "image.h"
#include "step.h"

#define HANDLE (COVBUF_SUBSYSTEM_USER | 7)
#define MAX_PATCHES 120

static struct covbuf_segment *segment;
static const char *base;
static struct covbuf_owner *linear, *ring, *kcov;
static const char *folder, *doing;
static uint64_t sum;

static _Noreturn void give_up(const char *why)
{
	fprintf(stderr, "seeds: %s\n", why);
	exit(1);
}

/* ---- what the engine does -------------------------------------------------------------------- */

static int visit(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		sum += batch->words[i];
	return 0;
}

static void record(void)
{
	covbuf_enable(linear);
	for (uint64_t i = 1; i < 4; i++)
		covbuf_trace_pc(0x401000 + i);
	covbuf_disable(linear);
	covbuf_collect(linear, visit, NULL);
}

static void nest(void)
{
	const uint64_t handle = HANDLE;
	covbuf_token outer, inner;

	covbuf_remote_enable(linear, &handle, 1, 0);
	outer = covbuf_remote_start(HANDLE);
	covbuf_trace_pc(0x401000);
	inner = covbuf_push(linear);
	covbuf_trace_pc(0x402000);
	covbuf_pop(inner);
	covbuf_remote_stop(outer);
	covbuf_disable(linear);
	covbuf_collect(linear, visit, NULL);
}

static void go_round(void)
{
	covbuf_enable(ring);
	for (uint64_t i = 1; i < 4; i++)
		covbuf_trace_cmp(COVBUF_CMP_SIZE(3), i, ~i, 0x401000 + i);
	covbuf_disable(ring);
	covbuf_collect(ring, visit, NULL);
}

static void merge(void)
{
	const uint64_t handle = HANDLE + 1;
	covbuf_token token;

	covbuf_remote_enable(kcov, &handle, 1, 0);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(0x401000);
	covbuf_remote_stop(token);
	covbuf_disable_wait(kcov);
}

/* ---- what is there --------------------------------------------------------------------------- */

static const uint32_t entry_words[] = {
	[IN_PROCS] = sizeof(struct covbuf_proc) / 8,	     [IN_CONTEXTS] = sizeof(struct covbuf_context_slot) / 8,
	[IN_OWNERS] = sizeof(struct covbuf_owner_slot) / 8, [IN_MODULES] = sizeof(struct covbuf_module) / 8,
	[IN_AREAS] = sizeof(struct covbuf_area) / 8,
};

/* Where word w of part p is, as patches say it. */
static struct patch name_word(uint32_t p, uint32_t w)
{
	struct patch patch = { .where = (uint8_t)(p < 6 ? p : IN_WORDS), .how = SET };

	if (p >= 6) {
		patch.index = (uint16_t)(p - 6);
		patch.word = (uint16_t)w;
	} else {
		patch.index = (uint16_t)(p ? w / entry_words[p] : 0);
		patch.word = (uint16_t)(p ? w % entry_words[p] : w);
	}
	return patch;
}

/* Names and modules are long, and no other in one seed than in the next. */
static bool matters(uint32_t p, uint32_t w)
{
	if (p == IN_HEADER)
		return w * 8 >= offsetof(struct covbuf_header, size_bytes);
	if (p == IN_PROCS)
		return w % entry_words[p] * 8 < offsetof(struct covbuf_proc, path);
	return p != IN_MODULES && (p < 6 || w < covbuf_class_words(0));
}

/* Differences from the template; runs that go up by one, as a ring's free slots do, are one. */
static uint32_t describe(const char *was, struct patch *patches)
{
	uint32_t nr = 0;

	for (uint32_t p = 0; p < NR_PARTS; p++) {
		const uint64_t *old = (const uint64_t *)(const void *)(was + p * PART);
		const uint64_t *now = (const uint64_t *)(const void *)(base + p * PART);

		for (uint32_t w = 0; w < PART / 8 && nr + 2 < MAX_PATCHES; w++) {
			uint32_t n = 1;

			if (old[w] == now[w] || !matters(p, w))
				continue;
			patches[nr] = name_word(p, w);
			patches[nr++].value = now[w];
			while (p >= 6 && w + n < PART / 8 && now[w + n] == now[w] + n)
				n++;
			if (n > 2) {
				patches[nr++] = (struct patch){ .where = REPEAT, .index = (uint16_t)(n - 1), .word = 1, .value = 1 };
				w += n - 1;
			}
		}
	}
	return nr;
}

static void write_seed(void)
{
	static const struct input_head heads[] = { { .ops = 0x0141 }, { .ops = 0x0274 }, { .ops = 0x5231 } };
	static struct patch patches[MAX_PATCHES];
	static unsigned int n;
	uint32_t nr = describe(image_template(0), patches);
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s-%u", folder, doing, n);
	out = fopen(path, "w");
	if (!out || fwrite(&heads[n % 3], sizeof(heads[0]), 1, out) != 1 || fwrite(patches, sizeof(patches[0]), nr, out) != nr ||
	    fclose(out))
		give_up("a seed cannot be written");
	n++;
}

static void walk(const char *name, step_fn body, uint32_t every)
{
	struct step_trace trace = { 0 };

	doing = name;
	body();
	if (step_record(&trace, body))
		give_up("no memory for a trace");
	for (uint32_t i = 0; i < trace.nr; i += every)
		step_run(&(struct step_plan){ .body = { body, write_seed }, .at = { &trace.at[i] } });
	step_trace_free(&trace);
}

static struct covbuf_owner *make_owner(uint32_t mode, uint32_t kind, uint32_t flags)
{
	const struct covbuf_owner_options options = { .mode = mode, .kind = kind, .flags = flags };
	struct covbuf_owner *owner;

	if (covbuf_owner_create(&options, &owner))
		give_up("no owner");
	return owner;
}

int main(int argc, char **argv)
{
	const struct covbuf_segment_options options = { .limit_bytes = IMAGE_BYTES, .initial_bytes = NR_AREAS * PART,
							.nr_procs = NR_PROCS, .nr_contexts = NR_CONTEXTS,
							.nr_owners = NR_OWNERS, .nr_modules = NR_MODULES };
	uint32_t every = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 50;
	struct covbuf_message why = { "" };

	if (argc < 2 || !every)
		give_up("usage: seeds DIR [EVERY]");
	folder = argv[1];
	mkdir(folder, 0700);
	if (step_init())
		return 77;
	image_make_templates();
	if (covbuf_segment_create(NULL, &options, &segment, &why) || covbuf_attach_segment(segment))
		give_up(why.text);
	base = mmap(NULL, IMAGE_BYTES, PROT_READ, MAP_SHARED, covbuf_segment_descriptor(segment), 0);
	if (base == MAP_FAILED)
		give_up("no mapping");
	linear = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	ring = make_owner(COVBUF_MODE_CMP, COVBUF_RING, 0);
	kcov = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_KCOV);
	walk("record", record, every);
	walk("nest", nest, every);
	walk("ring", go_round, every);
	walk("merge", merge, every);
	return 0;
}
