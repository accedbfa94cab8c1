/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * segment NAME unique|context: a segment in which programs record by themselves, as covbuf run makes one, for many
 * runs of many programs. Says so when it is there; empties it for each line that it reads, and answers with how many
 * records there were and how many were lost.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <covbuf/segment.h>

static int count(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		*(uint64_t *)arg += batch->words[i] != 0 && !(batch->words[i] >> 63);
	return 0;
}

int main(int argc, char **argv)
{
	struct covbuf_segment_options options = {
		.initial_bytes = 16u << 20,
		.automatic = { .enabled = 1, .mode = COVBUF_MODE_PC, .flags = COVBUF_AUTO_GROW },
	};
	struct covbuf_message why = { "" };
	struct covbuf_segment *segment;
	char line[16];

	if (argc != 3 || strncmp(argv[1], "name:", strlen("name:"))) {
		fprintf(stderr, "usage: %s name:/NAME unique|context\n", argv[0]);
		return 2;
	}
	options.automatic.flags |= strcmp(argv[2], "context") ? COVBUF_AUTO_UNIQUE : COVBUF_AUTO_UNIQUE_CONTEXT;
	if (covbuf_segment_create(argv[1], &options, &segment, &why) || covbuf_segment_consume(segment)) {
		fprintf(stderr, "segment: %s\n", why.text);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		struct covbuf_drained drained = { 0 };
		uint64_t records = 0;

		covbuf_drain(segment, COVBUF_DRAIN_AUDIT, count, &records, &drained);
		printf("%llu %llu\n", (unsigned long long)records, (unsigned long long)drained.lost);
		fflush(stdout);
	}
	covbuf_segment_close(segment);
	shm_unlink(argv[1] + strlen("name:"));
	return 0;
}
