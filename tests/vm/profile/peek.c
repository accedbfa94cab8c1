// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * peek counters FILE ID     the counters of the function, ID being the first 16 digits of its name's MD5
 * peek image FILE           whose it is
 * peek bits FILE            how many bits are set in the bitmaps
 * peek addresses FILE       fails if the file has an address of the kernel's
 * peek storm FILE RESET N ID SLACK  opens FILE N times, writing to RESET before every eighth one, if it is not "-": fails unless
 *                           each of storm_step's counters (ID) is at most SLACK more than the one before it, and none goes
 *                           back between two resets
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/llvmprof/raw.h"
#include "module/storm.h"

static union {
	char bytes[4 << 20];
	uint64_t words[1];
	struct covb_raw_header header;
} file;
static size_t file_bytes;
static const struct covbuf_profile_note *note;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		die(path);
	file_bytes = 0;
	while ((n = read(fd, file.bytes + file_bytes, sizeof(file.bytes) - file_bytes)) > 0)
		file_bytes += n;
	if (n < 0)
		die(path);
	close(fd);
	for (size_t at = COVBUF_PROFILE_ALIGN; at <= file_bytes; at += COVBUF_PROFILE_ALIGN) {
		note = (void *)(file.bytes + at - sizeof(*note));
		if (!memcmp(note->magic, COVBUF_PROFILE_MAGIC, 8) && note->file_bytes == file_bytes)
			return;
	}
	fprintf(stderr, "%s: %zu bytes, and no note in them\n", path, file_bytes);
	exit(1);
}

static const struct covb_raw_record *records(void)
{
	return (void *)(file.bytes + sizeof(struct covb_raw_header));
}

/* The function's counters, and how many they are; or ends. */
static const uint64_t *find(const char *id, unsigned int *nr)
{
	uint64_t name = __builtin_bswap64(strtoull(id, NULL, 16));

	for (uint64_t i = 0; i < file.header.NumData; i++) {
		const struct covb_raw_record *r = &records()[i];

		if (r->NameRef != name)
			continue;
		*nr = r->NumCounters;
		return (void *)(file.bytes + note->counters_offset +
				(r->CounterPtr + i * sizeof(*r) - file.header.CountersDelta));
	}
	fprintf(stderr, "no record is of %s\n", id);
	exit(1);
}

static int counters(const char *id)
{
	unsigned int nr;
	const uint64_t *c = find(id, &nr);

	for (unsigned int k = 0; k < nr; k++)
		printf("%" PRIu64 "%c", c[k], k == nr - 1 ? '\n' : ' ');
	return 0;
}

static int bits(void)
{
	unsigned int nr = 0;

	for (uint64_t i = 0; i < note->bitmaps_bytes; i++)
		nr += __builtin_popcount((unsigned char)file.bytes[note->bitmaps_offset + i]);
	printf("%u\n", nr);
	return 0;
}

/* Names' and functions' hashes may look like anything. */
static int addresses(void)
{
	const size_t first = sizeof(file.header) / 8, of_record = sizeof(struct covb_raw_record) / 8;
	const size_t name = offsetof(struct covb_raw_record, NameRef) / 8, hash = offsetof(struct covb_raw_record, FuncHash) / 8;

	for (size_t i = 1; i < first + file.header.NumData * of_record; i++) {
		const uint64_t word = file.words[i];
		size_t in_record = (i - first) % of_record;

		if (i >= first && (in_record == name || in_record == hash))
			continue;
		if (word >> 60 == 0xc || (word >> 47 == 0x1ffff && word < -(1ull << 24))) {
			printf("word %zu is %#" PRIx64 "\n", i, word);
			return 1;
		}
	}
	return 0;
}

static int storm(const char *path, const char *reset, unsigned int n, const char *id, uint64_t slack)
{
	uint64_t before[STORM_COUNTERS] = {};
	unsigned int moved = 0, nr;

	while (n-- > 0) {
		const uint64_t *c;

		if (n % 8 == 0 && strcmp(reset, "-")) {
			int fd = open(reset, O_WRONLY);

			if (fd < 0 || write(fd, "1", 1) != 1)
				die(reset);
			close(fd);
			memset(before, 0, sizeof(before));
		}
		read_file(path);
		c = find(id, &nr);
		if (nr != STORM_COUNTERS) {
			fprintf(stderr, "storm_step has %u counters\n", nr);
			return 1;
		}
		for (unsigned int k = 0; k < STORM_COUNTERS; k++)
			if (c[k] < before[k] || (k && c[k] > c[k - 1] + slack)) {
				printf("counter %u: %" PRIu64 " after %" PRIu64 ", the one before it %" PRIu64 "\n", k, c[k],
				       before[k], k ? c[k - 1] : c[k]);
				return 1;
			}
		moved += c[0] > before[0];
		memcpy(before, c, sizeof(before));
	}
	printf("moved %u\n", moved);
	return moved < 5; /* then nothing ran meanwhile */
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "storm"))
		return storm(argv[2], argv[3], atoi(argv[4]), argv[5], atoi(argv[6]));
	if (argc < 3)
		return 2;
	read_file(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "counters"))
		return counters(argv[3]);
	if (!strcmp(argv[1], "image"))
		return puts(note->image) < 0;
	if (!strcmp(argv[1], "bits"))
		return bits();
	if (!strcmp(argv[1], "addresses"))
		return addresses();
	return 2;
}
