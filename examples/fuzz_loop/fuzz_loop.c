// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A fuzzer's loop in unique mode, in one process.
 *
 * The owner is enabled once, and in unique mode each place of the program is recorded once per enable:
 * so whatever an input records is new, and an input that records nothing leaves nothing to look at.
 * Each input runs in a section of its own, between covbuf_push() and covbuf_pop(). The input that
 * crashes leaves it by siglongjmp(), and covbuf_unwind() puts the frames in order.
 *
 * Usage: fuzz_loop [SEED [SECONDS]]. Status 0: the bug was found.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <covbuf/covbuf.h>

#include "parser.h"

#define MAX_INPUT_BYTES 64
#define MAX_CORPUS 256

struct input {
	unsigned char bytes[MAX_INPUT_BYTES];
	size_t nr_bytes;
};

static struct input corpus[MAX_CORPUS];
static unsigned int nr_corpus;
static uint64_t state; /* of the generator */

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- mutation -------------------------------------------------------------------------------- */

static void mutate(struct input *input)
{
	size_t at = next_random() % (input->nr_bytes + 1);
	unsigned char byte = (unsigned char)(' ' + next_random() % 95);

	switch (next_random() % 4) {
	case 0: /* insert */
		if (input->nr_bytes == MAX_INPUT_BYTES)
			break;
		memmove(input->bytes + at + 1, input->bytes + at, input->nr_bytes - at);
		input->bytes[at] = byte;
		input->nr_bytes++;
		break;
	case 1: /* remove */
		if (at == input->nr_bytes)
			break;
		memmove(input->bytes + at, input->bytes + at + 1, input->nr_bytes - at - 1);
		input->nr_bytes--;
		break;
	default: /* replace */
		if (at < input->nr_bytes)
			input->bytes[at] = byte;
	}
}

static void print_input(const char *what, const struct input *input)
{
	printf("%s: \"%.*s\"\n", what, (int)input->nr_bytes, (const char *)input->bytes);
}

/* ---- running one input ----------------------------------------------------------------------- */

static sigjmp_buf out_of_crash;

static void leave(int signal)
{
	siglongjmp(out_of_crash, signal);
}

static int count_new(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		if (batch->words[i] && !(batch->words[i] & COVBUF_NOT_A_RECORD))
			++*(uint64_t *)arg;
	return 0;
}

/* How many places it was the first to reach; true in *crashed if it did. */
static uint64_t run_input(struct covbuf_owner *owner, const struct input *input, bool *crashed)
{
	uint64_t nr_new = 0;
	struct covbuf_mark mark;
	covbuf_token token;

	covbuf_mark(&mark);
	if (sigsetjmp(out_of_crash, 1)) {
		*crashed = true;
		covbuf_unwind(&mark); /* pops the section that the crash cut short */
	} else {
		*crashed = false;
		token = covbuf_push(owner);
		parse(input->bytes, input->nr_bytes);
		covbuf_pop(token);
	}
	covbuf_collect(owner, count_new, &nr_new);
	return nr_new;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int fuzz(struct covbuf_owner *owner, double seconds)
{
	double started = now(), until = started + seconds;
	uint64_t nr_runs = 0, nr_places = 0;
	bool crashed = false;

	nr_corpus = 1; /* the empty input */
	while (nr_runs % 1024 || now() < until) {
		struct input input = corpus[next_random() % nr_corpus];
		uint64_t nr_new;

		for (uint64_t n = 1 + next_random() % 3; n; n--)
			mutate(&input);
		nr_new = run_input(owner, &input, &crashed);
		nr_runs++;
		nr_places += nr_new;
		if (nr_new && nr_corpus < MAX_CORPUS) {
			corpus[nr_corpus++] = input;
			print_input(crashed ? "crash" : "new  ", &input);
		}
		if (crashed)
			break;
	}
	printf("%" PRIu64 " runs in %.2f s, %" PRIu64 " places, %u inputs kept, %s\n", nr_runs, now() - started, nr_places,
	       nr_corpus, crashed ? "the bug was found" : "no bug was found");
	return crashed ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct covbuf_owner_options options = { .flags = COVBUF_OWNER_UNIQUE, .name = "fuzz loop" };
	struct sigaction action = { .sa_handler = leave };
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	uint64_t lost[COVBUF_NR_LOSSES];
	const uint64_t handle = covbuf_remote_handle(COVBUF_SUBSYSTEM_USER, 1);
	struct covbuf_owner *owner;
	int status, err;

	state = seed * 0x9e3779b97f4a7c15u + 1;
	printf("seed %" PRIu64 "\n", seed);
	if ((err = covbuf_attach_new(0)) || (err = covbuf_owner_create(&options, &owner)) ||
	    (err = covbuf_remote_enable(owner, &handle, 1, 0))) {
		fprintf(stderr, "fuzz_loop: %s\n", strerror(-err));
		return 2;
	}
	sigaction(SIGSEGV, &action, NULL);
	status = fuzz(owner, argc > 2 ? atof(argv[2]) : 20);

	/* The section that crashed was abandoned, once; nothing else may have been lost. */
	if (covbuf_losses(lost) == 0)
		for (int i = 0; i < COVBUF_NR_LOSSES; i++)
			if (lost[i] && i != COVBUF_LOST_ABANDONED) {
				printf("lost, cause %d: %" PRIu64 "\n", i, lost[i]);
				status = 2;
			}
	covbuf_disable(owner);
	covbuf_owner_put(owner);
	return status;
}
