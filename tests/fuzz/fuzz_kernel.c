// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the kernel says of itself and of its modules, saying anything: /proc/modules, kallsyms, kcore,
 * sections, notes. An input is files one after the other: number, two bytes of length, contents; those with
 * bit 7 are written between the two looks at them.
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
#include "kernel_map.h"

static const char *const files[] = {
	"proc/modules", "proc/kallsyms", "proc/kcore", "sys/kernel/debug/covbuf/kaslr_offset", "sys/kernel/notes",
	"proc/sys/kernel/osrelease", "sys/module/demo/sections/.text", "sys/module/demo/sections/.init.text",
	"sys/module/demo/notes/.note.gnu.build-id", "sys/module/other/sections/.text", "sys/module/other/sections/.data",
	"lib/modules/6/modules.dep",
};
#define NR_FILES (sizeof(files) / sizeof(files[0]))
#define LATER 0x80u

static char root[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void path_of(unsigned int file, char *path, size_t room)
{
	snprintf(path, room, "%s/%s", root, files[file]);
}

static void make_directories(char *path)
{
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
}

static void remove_files(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		fprintf(stderr, "%s is still there\n", root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[256];

	(void)argc, (void)argv;
	snprintf(root, sizeof(root), "/dev/shm/covbuf-fuzz-%d", (int)getpid());
	mkdir(root, 0700);
	for (unsigned int i = 0; i < NR_FILES; i++) {
		path_of(i, path, sizeof(path));
		make_directories(path);
	}
	atexit(remove_files);
	commands_init();
	return 0;
}

static void write_file(unsigned int file, const uint8_t *contents, size_t nr)
{
	char path[256];
	int fd;

	path_of(file, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, contents, nr) != (ssize_t)nr)
		finding("%s cannot be written", path);
	close(fd);
}

/* Returns which there are. */
static unsigned int write_files(const uint8_t *input, size_t nr_bytes, bool later)
{
	unsigned int written = 0;

	while (nr_bytes >= 3) {
		size_t nr = (size_t)input[1] | (size_t)input[2] << 8;

		if (nr > nr_bytes - 3)
			nr = nr_bytes - 3;
		if (!!(input[0] & LATER) == later) {
			write_file((input[0] & ~LATER) % NR_FILES, input + 3, nr);
			written |= 1u << (input[0] & ~LATER) % NR_FILES;
		}
		input += 3 + nr;
		nr_bytes -= 3 + nr;
	}
	return written;
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	static const char *const nowhere[] = { NULL };
	unsigned int written = write_files(input, nr_bytes, false);
	struct covbuf_message why = { "" };
	struct kernel_map map;
	char path[256];

	if (!kernel_map_before(&map, root, &why)) {
		written |= write_files(input, nr_bytes, true);
		kernel_map_after(&map, &why);
		kernel_map_find_files(&map, nowhere);
		for (size_t i = 0; i < map.nr; i++)
			expect(map.rows[i].build_id_bytes <= sizeof(map.rows[i].build_id) && map.rows[i].path,
			       "a row out of range");
	} else {
		expect(why.text[0], "refused without a reason");
	}
	kernel_map_fini(&map);
	for (unsigned int i = 0; i < NR_FILES; i++) {
		path_of(i, path, sizeof(path));
		if (written & 1u << i)
			unlink(path);
	}
	commands_forget();
}
