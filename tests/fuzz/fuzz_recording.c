// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command on a recording that holds anything, and changes between any two readings: stat, report,
 * export, merge, diff. ops: which of them.
 *
 * What merge writes can be read, and merged again it stays as it is, byte for byte.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "image.h"

static char path[32], once[64], twice[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void remove_files(void)
{
	unlink(once);
	unlink(twice);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	image_init();
	commands_init();
	snprintf(path, sizeof(path), "fd:%d", image.fd);
	snprintf(once, sizeof(once), "/dev/shm/covbuf-fuzz-%d-1", (int)getpid());
	snprintf(twice, sizeof(twice), "/dev/shm/covbuf-fuzz-%d-2", (int)getpid());
	atexit(remove_files);
	return 0;
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

static void merge(void)
{
	if (covbuf("merge", "-o", once, path, NULL))
		return;
	expect(!covbuf("merge", "-o", twice, once, once, NULL), "what was merged cannot be merged");
	expect(is_same(once, twice), "merged twice it is another");
	expect(!covbuf("stat", once, NULL), "what was merged cannot be read");
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	struct input_head head = image_load(input, nr_bytes);

	switch (head.ops % 9) {
	case 0:
		covbuf("stat", path, NULL);
		break;
	case 1:
		if (!covbuf("stat", "--json", path, NULL))
			check_json();
		break;
	case 2:
		covbuf("report", "--functions", "--files", path, NULL);
		break;
	case 3:
		if (!covbuf("report", "--json", path, NULL))
			check_json();
		break;
	case 4:
		covbuf("export", "--lcov", path, NULL);
		break;
	case 5:
		if (!covbuf("export", "--json", path, NULL))
			check_json();
		break;
	case 6:
		merge();
		break;
	case 7:
		covbuf("diff", path, path, NULL);
		break;
	case 8:
		covbuf("top", "--once", path, NULL);
	}
	commands_forget();
}
