// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * drive [softirq | work | timer | all | none] [ROUNDS]
 *
 * Uses /dev/covbuf_sample: messages that it takes, messages that it refuses, and work that it does elsewhere.
 * Knows nothing of coverage. Succeeds if all answers are right.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sample.h"

static int device;

static void die(const char *what)
{
	fprintf(stderr, "drive: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void wrong(const char *what, unsigned int is, unsigned int should)
{
	fprintf(stderr, "drive: %s: %u instead of %u\n", what, is, should);
	exit(1);
}

static ssize_t send(int magic, int type, const void *payload, size_t nr_bytes)
{
	unsigned char message[sizeof(struct sample_header) + 255];
	struct sample_header header = { htole16(magic), type, nr_bytes };

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), payload, nr_bytes);
	return write(device, message, sizeof(header) + nr_bytes);
}

static void answers(const char *what, int type, const void *payload, size_t nr_bytes, unsigned int should)
{
	__u32 answer;

	if (send(SAMPLE_MAGIC, type, payload, nr_bytes) < 0 || ioctl(device, SAMPLE_ANSWER, &answer))
		die(what);
	if (answer != should)
		wrong(what, answer, should);
}

static void refuses(const char *what, int magic, int type, const void *payload, size_t nr_bytes, int should)
{
	if (send(magic, type, payload, nr_bytes) >= 0)
		wrong(what, 0, should);
	if (errno != should)
		wrong(what, errno, should);
}

static void talk(void)
{
	const __u32 numbers[] = { htole32(1), htole32(20), htole32(300) }, huge[] = { ~0u, ~0u };

	refuses("no magic", 0x1234, SAMPLE_ECHO, "", 0, EBADMSG);
	refuses("no type", SAMPLE_MAGIC, 77, "", 0, EPROTO);
	refuses("no list of numbers", SAMPLE_MAGIC, SAMPLE_SUM, "abc", 3, EINVAL);
	refuses("too large a sum", SAMPLE_MAGIC, SAMPLE_SUM, huge, sizeof(huge), ERANGE);
	refuses("no name", SAMPLE_MAGIC, SAMPLE_NAME, "arena", 5, ENOENT);
	answers("sum", SAMPLE_SUM, numbers, sizeof(numbers), 321);
	answers("name", SAMPLE_NAME, "frame", 5, 2);
	answers("echo", SAMPLE_ECHO, "a bookkeeper", 12, 12);
}

static void have_done(unsigned int where)
{
	struct sample_defer defer = { .where = where };

	if (ioctl(device, SAMPLE_DEFER, &defer))
		die("deferring work");
	if (defer.where != where)
		wrong("where it was done", defer.where, where);
	if (where & SAMPLE_SOFTIRQ && defer.checksum != 0x1cb304a9)
		wrong("checksum", defer.checksum, 0x1cb304a9);
	if (where & SAMPLE_WORK && defer.letters != 11)
		wrong("letters", defer.letters, 11);
	if (where & SAMPLE_TIMER && defer.longest != 2)
		wrong("longest run", defer.longest, 2);
}

static const struct {
	const char *name;
	unsigned int where;
} places[] = {
	{ "softirq", SAMPLE_SOFTIRQ }, { "work", SAMPLE_WORK }, { "timer", SAMPLE_TIMER },
	{ "all", SAMPLE_ANYWHERE },    { "none", 0 },
};

int main(int argc, char **argv)
{
	const char *place = argc > 1 ? argv[1] : "all";
	long rounds = argc > 2 ? atol(argv[2]) : 1;
	size_t i, nr_places = sizeof(places) / sizeof(places[0]);

	for (i = 0; i < nr_places && strcmp(place, places[i].name); i++)
		;
	if (i == nr_places || rounds < 1 || argc > 3) {
		fprintf(stderr, "usage: drive [softirq | work | timer | all | none] [ROUNDS]\n");
		return 2;
	}
	device = open(SAMPLE_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		die(SAMPLE_DEVICE);
	while (rounds--) {
		talk();
		if (places[i].where)
			have_done(places[i].where);
	}
	return 0;
}
