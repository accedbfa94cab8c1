// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf ls: the segments in /dev/shm and in directories and files that are named.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covbuf/segment.h>

#include "command.h"
#include "stream.h"
#include "survey.h"
#include "table.h"

#define SHM_DIRECTORY "/dev/shm"

static const char usage[] =
	"Usage: covbuf ls [DIR|FILE...]\n"
	"List segments and streams: in /dev/shm, and in the directories and files that are named.\n\n"
	"  -h, --help  this text\n\n"
	"Columns: size, what programs may fill it to, the process that made it (gone: '-'), live\n"
	"processes that record into it, and its name.\n";

struct list {
	struct table *table;
	size_t nr;
};

/* 0, STREAM_MAGIC or COVBUF_MAGIC. Opens no fifo that would make it wait. */
static uint64_t read_magic(const char *path)
{
	uint64_t magic = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || pread(fd, &magic, sizeof(magic), 0) != sizeof(magic) ||
	    (magic != STREAM_MAGIC && magic != COVBUF_MAGIC))
		magic = 0;
	close(fd);
	return magic;
}

static void list_stream(struct list *list, const char *path)
{
	struct stat st;
	char size[16];

	if (stat(path, &st))
		return;
	table_cell(list->table, "%s", format_bytes((uint64_t)st.st_size, size));
	table_cell(list->table, "-");
	table_cell(list->table, "-");
	table_cell(list->table, "-");
	table_cell(list->table, "stream");
	table_cell(list->table, "%s", path);
	list->nr++;
}

static int list_segment(struct list *list, const char *path, bool named)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_header header;
	char size[16];
	bool maker;

	if (named)
		segment = open_segment(path);
	else if (covbuf_segment_open(path, COVBUF_OPEN_READ, &segment, NULL))
		segment = NULL;
	if (!segment)
		return named ? STATUS_FAILED : STATUS_OK;
	if (!covbuf_view_header(segment, &header)) {
		maker = header.maker_pid && header.maker_pid <= INT32_MAX &&
			(!kill((pid_t)header.maker_pid, 0) || errno == EPERM);
		table_cell(list->table, "%s", format_bytes(header.size_bytes, size));
		table_cell(list->table, "%s", format_bytes(header.limit_bytes, size));
		if (maker)
			table_cell(list->table, "%" PRIu32, header.maker_pid);
		else
			table_cell(list->table, "-");
		table_cell(list->table, "%" PRIu32, survey_live(segment, &header));
		table_cell(list->table, "segment");
		table_cell(list->table, "%s", path);
		list->nr++;
	}
	covbuf_segment_close(segment);
	return STATUS_OK;
}

static int list_directory(struct list *list, const char *path, bool named)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory) {
		if (named)
			complain(path, "cannot be listed: %s", strerror(errno));
		return named ? STATUS_FAILED : STATUS_OK;
	}
	while ((entry = readdir(directory))) {
		char *file = must_printf("%s/%s", path, entry->d_name);
		uint64_t magic = read_magic(file);

		if (magic == COVBUF_MAGIC)
			list_segment(list, file, false);
		else if (magic == STREAM_MAGIC)
			list_stream(list, file);
		free(file);
	}
	closedir(directory);
	return STATUS_OK;
}

static int list_named(struct list *list, const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		complain(path, "cannot be listed: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (S_ISDIR(st.st_mode))
		return list_directory(list, path, true);
	if (read_magic(path) == STREAM_MAGIC) {
		list_stream(list, path);
		return STATUS_OK;
	}
	return list_segment(list, path, true);
}

static int run_ls(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct list list = { .table = NULL };
	int status = STATUS_OK;
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", longs, NULL)) != -1)
		finish_option(opt, argv);
	list.table = table_create("rrrrll");
	table_cell(list.table, "Size");
	table_cell(list.table, "Limit");
	table_cell(list.table, "Maker");
	table_cell(list.table, "Live");
	table_cell(list.table, "Kind");
	table_cell(list.table, "Name");
	list_directory(&list, SHM_DIRECTORY, false);
	for (int i = optind; i < argc; i++)
		if (list_named(&list, argv[i]))
			status = STATUS_FAILED;
	if (list.nr || !status)
		table_print(list.table, stdout);
	return finish_output(stdout, NULL) ? STATUS_FAILED : status;
}

const struct command command_ls = {
	.name = "ls",
	.brief = "list segments",
	.usage = usage,
	.run = run_ls,
};
