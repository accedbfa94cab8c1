// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The file goes away under its readers: another process cuts it, makes it whole again, and punches holes
 * into it. No SIGBUS, no call that does not come back, an error that says what it is; and when the file is as
 * it was, so are they.
 *
 * Step by step: before the n-th look of each reading, for n up to the last look (the library is built with
 * tests/fuzz/hook.h here, so looks can be counted); then for some seconds at any moment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../../shm/shm.h"
#include "hostile.h"

#define IMAGE_BYTES ((6 + NR_AREAS) * PART)
#define EACH_BLOW 6u

/* What is done to the file. */
struct blow {
	bool hole;
	uint64_t from;	/* cut here; or the hole's begin */
};

static const struct blow blows[] = {
	{ false, 0 },	     { false, 4096 },	       { false, PART },		    { false, 3 * PART },
	{ false, 5 * PART }, { false, 5 * PART + 512 }, { false, 6 * PART },	    { false, 9 * PART + 4096 },
	{ true, 0 },	     { true, 3 * PART },       { true, 5 * PART },	    { true, 6 * PART },
};
#define NR_BLOWS (sizeof(blows) / sizeof(blows[0]))

static struct image image;
static int orders[2], answers[2]; /* pipes to the other process */
static uint32_t looks, struck_at;
static uint8_t struck_with;

/* ---- the other process ----------------------------------------------------------------------- */

/* Sealed against shrinking, it cannot be cut. */
static void strike(const struct blow *blow)
{
	if (blow->hole)
		(void)!fallocate(image.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)blow->from, 3 * PART);
	else
		(void)!ftruncate(image.fd, (off_t)blow->from);
}

static void obey(void)
{
	uint8_t which;

	while (read(orders[0], &which, 1) == 1) {
		strike(&blows[which]);
		if (write(answers[1], &which, 1) != 1)
			break;
	}
	_exit(0);
}

static void rage(uint64_t seed)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	for (;;) {
		uint64_t r = image_random(&seed);

		strike(&blows[r % NR_BLOWS]);
		if (r >> 61)
			nanosleep(&moment, NULL);
		(void)!ftruncate(image.fd, (off_t)IMAGE_BYTES);
		if (r >> 60 & 1)
			nanosleep(&moment, NULL);
	}
}

static pid_t start(void (*body)(uint64_t), uint64_t seed)
{
	pid_t child = fork();

	if (child < 0)
		give_up("no process: %s", strerror(errno));
	if (!child) {
		alarm(0);
		body(seed);
		_exit(0);
	}
	return child;
}

static void obey_orders(uint64_t seed)
{
	(void)seed;
	close(orders[1]);
	close(answers[0]);
	obey();
}

/* ---- looks ----------------------------------------------------------------------------------- */

void *covb_hook(const volatile void *address, size_t bytes, int load);
ssize_t __real_pread(int fd, void *to, size_t nr_bytes, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t nr_bytes, off_t offset);

static void look(void)
{
	uint8_t done;

	if (++looks == struck_at && (write(orders[1], &struck_with, 1) != 1 || read(answers[0], &done, 1) != 1))
		give_up("the other process is gone");
}

void *covb_hook(const volatile void *address, size_t bytes, int load)
{
	(void)bytes, (void)load;
	look();
	return (void *)(uintptr_t)address;
}

ssize_t __wrap_pread(int fd, void *to, size_t nr_bytes, off_t offset)
{
	look();
	return __real_pread(fd, to, nr_bytes, offset);
}

/* How many looks a reading has that nobody disturbs. */
static uint32_t count_looks(unsigned int way)
{
	struct readers readers;

	hostile_restore(&image);
	readers_open(&readers, &image);
	looks = struck_at = 0;
	read_in_some_way(&readers, way);
	readers_close(&readers);
	return looks;
}

static void strike_at(uint32_t n, unsigned int way, unsigned int blow)
{
	struct readers readers;

	hostile_restore(&image);
	readers_open(&readers, &image);
	looks = 0;
	struck_at = n;
	struck_with = (uint8_t)blow;
	read_in_some_way(&readers, way);
	struck_at = 0;
	/* and what comes after */
	read_in_some_way(&readers, way);
	read_in_some_way(&readers, 1);
	hostile_restore(&image);
	readers.errors = readers.batches = 0;
	read_in_some_way(&readers, 1);
	if (readers.errors || !readers.batches)
		give_up("way %u, blow %u at look %u: a file that is whole again is not read", way, blow, n);
	readers_close(&readers);
}

/* Each of the first looks, then every so many. */
static uint32_t after(uint32_t n, uint32_t fine)
{
	return n + 1 + n / fine;
}

static void step_by_step(enum place place, uint32_t fine)
{
	uint64_t points = 0;

	for (unsigned int way = 0; way < NR_READINGS; way++) {
		uint32_t nr = count_looks(way);

		for (uint32_t n = 1; n <= nr; n = after(n, fine)) {
			/* each blow at the first looks; then they take turns */
			for (unsigned int k = 0; k < (n <= EACH_BLOW ? NR_BLOWS : 1); k++, points++) {
				expect_to_be_back(60, "a reading");
				strike_at(n, way, (unsigned int)((n + k) % NR_BLOWS));
			}
		}
	}
	printf("%s: %lu readings, each struck once\n", place_names[place], (unsigned long)points);
}

static bool nothing_happened(const struct readers *readers, enum place place)
{
	return !readers->batches || (place != SEALED && !readers->errors);
}

static void at_any_moment(enum place place, double seconds, uint64_t seed)
{
	double end = now() + seconds, late = end + 60; /* on a busy machine they seldom meet */
	struct readers readers;
	uint64_t turns = 0;
	pid_t child;

	hostile_restore(&image);
	readers_open(&readers, &image);
	child = start(rage, seed);
	for (; now() < end || (nothing_happened(&readers, place) && now() < late); turns++) {
		/* restored now and then, or there would be nothing to read */
		if (turns % 16 == 0) {
			kill(child, SIGSTOP);
			waitpid(child, NULL, WUNTRACED);
			hostile_restore(&image);
			kill(child, SIGCONT);
		}
		expect_to_be_back(60, "a reading");
		read_in_some_way(&readers, (unsigned int)image_random(&seed));
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%s: %lu readings at any moment, %lu calls gave an error, %lu batches were read\n", place_names[place],
	       (unsigned long)turns, (unsigned long)readers.errors, (unsigned long)readers.batches);
	if (nothing_happened(&readers, place))
		give_up("%s: nothing was read, or nothing happened", place_names[place]);
	readers_close(&readers);
}

int main(int argc, char **argv)
{
	double seconds = 3;
	uint64_t seed = (uint64_t)time(NULL) | 1;
	uint32_t fine = 8;
	pid_t child;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			seconds = strtod(argv[i + 1], NULL);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0) | 1;
		else if (!strcmp(argv[i], "--fine"))
			fine = (uint32_t)strtoul(argv[i + 1], NULL, 0);
		else
			give_up("usage: vanish [--seconds N] [--seed N] [--fine N]: every look up to the N-th, then fewer");
	}
	if (!fine)
		give_up("--fine needs a number from 1");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %#lx\n", (unsigned long)seed);
	for (enum place place = 0; place < NR_PLACES; place++) {
		hostile_make(&image, place);
		if (pipe(orders) || pipe(answers))
			give_up("no pipe: %s", strerror(errno));
		child = start(obey_orders, 0);
		close(orders[0]);
		close(answers[1]);
		step_by_step(place, fine);
		close(orders[1]);
		close(answers[0]);
		waitpid(child, NULL, 0);
		at_any_moment(place, seconds / NR_PLACES, seed);
		hostile_remove(&image);
	}
	return 0;
}
