// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command on a profile directory of which any byte may be another, before it is read or between a look at the notes
 * and the counters. An input is what to do, and patches of 12 bytes to a directory of two images.
 *
 * What was added up can be added up again, and stays as it is; and it is the same when files of ended processes have been
 * made one meanwhile.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../command/profile_files.h"
#include "commands.h"
#include "image.h"
#include "profile.h"

#define NOTE_AT (COVBUF_PROFILE_ALIGN - PROFILE_NOTE_BYTES)
#define LATER 0x80u
#define MAX_BYTES (1u << 20)

enum how { NOTE_SET, NOTE_ADD, HEAD_SET, NAMES_SET, RESIZE, NR_HOWS };

struct change {
	uint8_t file, how; /* how: LATER or none */
	uint16_t at;
	uint64_t value;
} __attribute__((packed));

static const struct change *later;
static size_t nr_later;
static char directory[64], once[64], twice[64];
static const char *const names[] = {
	"a.0000000000000001.template", "a.0000000000000001.2000000000.0.profcnt", "a.0000000000000001.2000000001.0.profcnt",
	"a.0000000000000001.2000000002.0.profraw", "a.0000000000000001.0.0.profcnt", "a.0000000000000001.2000000000.d0.profcnt",
	"b.0000000000000002.template", "b.0000000000000002.2000000000.0.profcnt",
};
#define NR_NAMES (sizeof(names) / sizeof(names[0]))
#define SUM 4u

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void remove_files(void)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries)
		closedir(entries);
	unlink(once);
	unlink(twice);
}

static void remove_all(void)
{
	remove_files();
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	snprintf(directory, sizeof(directory), "/dev/shm/covbuf-fuzz-%d", (int)getpid());
	snprintf(once, sizeof(once), "%s-1", directory);
	snprintf(twice, sizeof(twice), "%s-2", directory);
	mkdir(directory, 0700);
	atexit(remove_all);
	commands_init();
	return 0;
}

/* A sum of which two names are still to be removed: one of a file that is there, and one of a file that is not. */
static void make_sum(const struct profile_plan *plan)
{
	static const char list[] = "1001 a.0000000000000001.2000000001.0.profcnt\0001 a.0000000000000001.2000000009.0.profcnt";
	struct covbuf_profile_note note;
	char from[128], to[128];
	int fd;

	snprintf(from, sizeof(from), "%s/a.0000000000000001.2000000006.0.profcnt", directory);
	snprintf(to, sizeof(to), "%s/%s", directory, names[SUM]);
	expect(!make_counts(plan, 6, NULL) && !rename(from, to), "no sum");
	fd = open(to, O_RDWR | O_CLOEXEC);
	expect(pread(fd, &note, sizeof(note), NOTE_AT) == sizeof(note), "no note");
	note.pid = 0;
	note.started = 0;
	note.processes = 5;
	note.summed_bytes = sizeof(list);
	expect(pwrite(fd, list, sizeof(list), (off_t)note.file_bytes) == sizeof(list), "no names");
	note.file_bytes += sizeof(list);
	expect(pwrite(fd, &note, sizeof(note), NOTE_AT) == sizeof(note), "no note");
	close(fd);
}

static void make_files(void)
{
	struct profile_plan a = { directory, "a", 1, 24, 9 }, b = { directory, "b", 2, 5, 0 };
	bool ok = !make_whole(&a, false, 0) && !make_counts(&a, 0, NULL) && !make_counts(&a, 1, NULL) &&
		  !make_whole(&a, true, 2) && !make_counts(&a, 0, "label") && !make_whole(&b, false, 0) &&
		  !make_counts(&b, 0, NULL);

	expect(ok, "no files");
	make_sum(&a);
}

static void put(int fd, const struct change *change)
{
	off_t at = NOTE_AT + change->at % (PROFILE_NOTE_BYTES - 7);
	uint64_t value = change->value;

	switch (change->how % LATER % NR_HOWS) {
	case NOTE_ADD:
		at -= at % 8;
		if (pread(fd, &value, sizeof(value), at) == sizeof(value))
			value += change->value;
		break;
	case HEAD_SET:
		at = change->at % 32;
		break;
	case NAMES_SET:
		at = 2 * COVBUF_PROFILE_ALIGN + change->at % 256;
		break;
	case RESIZE:
		(void)!ftruncate(fd, (off_t)(change->value % MAX_BYTES));
		return;
	default:
		break;
	}
	(void)!pwrite(fd, &value, sizeof(value), at);
}

static void apply(const struct change *changes, size_t nr, bool now_or_later)
{
	for (size_t i = 0; i < nr; i++) {
		int fd;

		if (!!(changes[i].how & LATER) != now_or_later)
			continue;
		fd = openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int file = openat(fd, names[changes[i].file % NR_NAMES], O_RDWR | O_CLOEXEC);

		if (file >= 0) {
			put(file, &changes[i]);
			close(file);
		}
		close(fd);
	}
}

void __real_profile_sum_init(struct profile_sum *sum, const struct profile_image *image);
void __wrap_profile_sum_init(struct profile_sum *sum, const struct profile_image *image);

/* All notes were read, and no counter. */
void __wrap_profile_sum_init(struct profile_sum *sum, const struct profile_image *image)
{
	apply(later, nr_later, true);
	__real_profile_sum_init(sum, image);
}

static bool any_later(const struct change *changes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (changes[i].how & LATER)
			return true;
	return false;
}

static bool is_same(const char *a, const char *b)
{
	static char x[65536], y[65536];
	int one = open(a, O_RDONLY | O_CLOEXEC), other = open(b, O_RDONLY | O_CLOEXEC);
	bool same = one >= 0 && other >= 0;
	ssize_t n, m;

	do {
		n = read(one, x, sizeof(x));
		m = read(other, y, sizeof(y));
		same = same && n == m && n >= 0 && !memcmp(x, y, (size_t)n);
	} while (same && n);
	close(one);
	close(other);
	return same;
}

/* Nobody's pids: what is patched to be a living process's is left out of a sum. */
static bool all_ended(void)
{
	struct profiles profiles = { 0 };
	bool ended = true;

	profiles_add(&profiles, directory);
	for (size_t i = 0; i < profiles.nr_files; i++)
		ended = ended && !profile_is_live(&profiles, &profiles.files[i]);
	profiles_group(&profiles);
	profiles_fini(&profiles);
	return ended;
}

static void add_up(const char *to, bool changes_later)
{
	if (covbuf("profraw", "-o", to, directory, NULL) || changes_later)
		return;
	expect(!covbuf("profraw", "-o", twice, to, NULL), "what was added up cannot be read");
	expect(is_same(to, twice), "added up twice it is another");
}

static void fold(bool changes_later)
{
	bool comparable = !changes_later && !covbuf("profraw", "-q", "-o", once, directory, NULL) && all_ended();

	if (profile_fold(directory, 0, UINT64_MAX) || !comparable)
		return;
	expect(!covbuf("profraw", "-q", "-o", twice, directory, NULL), "what was made one cannot be read");
	expect(is_same(once, twice), "what was made one is another");
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	const struct change *changes = (const struct change *)(input + 1);
	size_t nr = nr_bytes ? (nr_bytes - 1) / sizeof(*changes) : 0;
	bool changes_later = any_later(changes, nr);

	make_files();
	apply(changes, nr, false);
	later = changes;
	nr_later = nr;
	switch (nr_bytes ? *input % 5 : 0) {
	case 0:
		add_up(once, changes_later);
		break;
	case 1:
		covbuf("profraw", "--list", directory, NULL);
		break;
	case 2:
		covbuf("profraw", "--label", "l*", "-o", once, directory, NULL);
		break;
	case 3:
		covbuf("profraw", "--image", "a", "-o", once, directory, NULL);
		break;
	case 4:
		fold(changes_later);
	}
	remove_files();
	commands_forget();
}
