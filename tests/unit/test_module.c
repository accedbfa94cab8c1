/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The module table follows what the dynamic linker has. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shm/shm.h"

TestSuite(module, .timeout = 60);

static struct covbuf_segment *create(uint32_t nr_modules)
{
	struct covbuf_segment_options options = { .limit_bytes = 8 << 20, .nr_modules = nr_modules };
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };

	cr_assert(!covbuf_segment_create(NULL, &options, &segment, &why), "%s", why.text);
	return segment;
}

static uint32_t sync_modules(struct covbuf_segment *segment)
{
	uint32_t generation = 0;

	cr_assert(!covb_modules_sync(segment, 1, &generation));
	return generation;
}

static uint32_t count_rows(const struct covbuf_segment *segment)
{
	uint32_t nr = 0;

	while (nr < segment->layout.modules.nr && segment->modules[nr].state)
		nr++;
	return nr;
}

/* The row whose addresses hold this one, of the latest load. */
static const struct covbuf_module *find(const struct covbuf_segment *segment, const void *address)
{
	const struct covbuf_module *found = NULL;

	for (uint32_t i = 0; i < segment->layout.modules.nr; i++) {
		const struct covbuf_module *row = &segment->modules[i];

		if (row->state == 2 && row->start <= (uintptr_t)address && (uintptr_t)address < row->end &&
		    (!found || row->loaded > found->loaded))
			found = row;
	}
	return found;
}

/* As readelf sees it. */
static void read_build_id(const char *file, char *out, size_t bytes)
{
	char command[600];
	FILE *pipe;

	snprintf(command, sizeof(command), "readelf -n '%s' 2>/dev/null | sed -n 's/.*Build ID: //p'", file);
	pipe = popen(command, "r");
	if (!fgets(out, (int)bytes, pipe))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
	pclose(pipe);
}

static void print_build_id(const struct covbuf_module *row, char *out)
{
	out[0] = 0;
	for (uint32_t i = 0; i < row->build_id_bytes; i++)
		sprintf(out + 2 * i, "%02x", row->build_id[i]);
}

Test(module, program_and_libraries_are_listed_once)
{
	struct covbuf_segment *segment = create(0);
	uint32_t generation = sync_modules(segment), nr = count_rows(segment);
	const struct covbuf_module *program = find(segment, (const void *)(uintptr_t)create), *libc = find(segment, gnu_get_libc_version());
	char exe[512] = "", wanted[100], got[100];

	cr_assert(generation == 1 && nr >= 3);
	cr_assert(program && libc && program != libc);
	cr_assert(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	cr_expect(!strcmp(program->path, exe), "%s", program->path);
	cr_expect(strstr(libc->path, "libc.so") && libc->path[0] == '/', "%s", libc->path);
	cr_expect(libc->pid == (uint32_t)getpid() && libc->proc == 1 && libc->loaded == 1 && !libc->unloaded);
	print_build_id(libc, got);
	read_build_id(libc->path, wanted, sizeof(wanted));
	cr_expect(got[0] && !strcmp(got, wanted), "%s and not %s", got, wanted);
	for (uint32_t i = 0; i < nr; i++)
		cr_expect(!strstr(segment->modules[i].path, "vdso"));

	cr_expect(sync_modules(segment) == 1 && count_rows(segment) == nr, "nothing has changed");
	covbuf_segment_close(segment);
}

Test(module, rows_follow_dlopen_and_dlclose)
{
	struct covbuf_segment *segment = create(0);
	uint32_t generation = sync_modules(segment), nr = count_rows(segment);
	const struct covbuf_module *row, *second;
	/* comes with every glibc, and nobody has it open */
	const char *name = "libBrokenLocale.so.1";
	void *library = dlopen(name, RTLD_NOW);
	struct link_map *map;
	const void *address;

	if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map))
		cr_skip_test("%s is not here", name);
	address = map->l_ld;
	cr_assert(!find(segment, address));
	cr_expect(sync_modules(segment) == generation + 1);
	row = find(segment, address);
	cr_assert(row && row->loaded == generation + 1 && !row->unloaded && row->build_id_bytes == 20);
	cr_expect(count_rows(segment) > nr);

	dlclose(library);
	cr_expect(sync_modules(segment) == generation + 2);
	cr_expect(row->unloaded == generation + 2 && row->state == 2, "kept for the reader");

	library = dlopen(name, RTLD_NOW);
	cr_assert(library && !dlinfo(library, RTLD_DI_LINKMAP, &map));
	cr_expect(sync_modules(segment) == generation + 3);
	second = find(segment, map->l_ld);
	cr_expect(second && second != row && second->loaded == generation + 3);
	covbuf_segment_close(segment);
}

Test(module, processes_have_rows_of_their_own)
{
	struct covbuf_segment *segment = create(0);
	uint32_t nr, generation;
	int status;
	pid_t child;

	sync_modules(segment);
	nr = count_rows(segment);
	child = fork();
	if (!child) {
		covb_process_forget(segment);
		_exit(covb_modules_sync(segment, 2, &generation) != 0);
	}
	waitpid(child, &status, 0);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status));
	cr_expect(count_rows(segment) == 2 * nr);
	cr_expect(segment->modules[nr].pid == (uint32_t)child && segment->modules[nr].proc == 2);
	sync_modules(segment);
	cr_expect(!segment->modules[nr].unloaded, "a process looks after its own only");
	covbuf_segment_close(segment);
}

Test(module, a_fork_child_has_no_rows_until_it_differs_from_its_parent)
{
	struct covbuf_segment *segment = create(0);
	uint32_t nr, generation, proc;
	int status;
	pid_t child;

	cr_assert(!covb_process_join(segment, &proc));
	cr_assert(!covb_modules_sync(segment, proc, &generation));
	nr = count_rows(segment);
	child = fork();
	if (!child) {
		uint64_t parents = segment->images;
		uint32_t now;

		covb_process_forget(segment);
		if (covb_process_join(segment, &proc))
			_exit(1);
		covb_modules_inherit(segment, parents, generation);
		if (covb_modules_sync(segment, proc, &now) || count_rows(segment) != nr || now != generation)
			_exit(2);
		if (segment->images != (parents | (uint64_t)generation << 32))
			_exit(3);
		if (!dlopen("libBrokenLocale.so.1", RTLD_NOW))
			_exit(0);
		if (covb_modules_sync(segment, proc, &now) || count_rows(segment) != 2 * nr + 1)
			_exit(4);
		_exit(segment->images == covb_process_images(segment, proc) ? 0 : 5);
	}
	waitpid(child, &status, 0);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status), "%d", WEXITSTATUS(status));
	covb_process_leave(segment, proc);
	covbuf_segment_close(segment);
}

Test(module, full_table_is_an_error_that_is_counted)
{
	struct covbuf_segment *segment = create(1);
	uint32_t generation = 0;

	cr_expect(covb_modules_sync(segment, 1, &generation) == -ENOSPC);
	cr_expect(segment->header->lost_modules >= 2);
	cr_expect(segment->modules[0].state == 2 && generation == 1);
	covbuf_segment_close(segment);
}

Test(module, many_processes_fill_the_table_without_sharing_a_row)
{
	struct covbuf_segment *segment = create(4096);
	uint32_t nr, nr_rows, generation;
	pid_t children[8];

	sync_modules(segment);
	nr = count_rows(segment);
	for (int i = 0; i < 8; i++) {
		children[i] = fork();
		if (!children[i]) {
			covb_process_forget(segment);
			_exit(covb_modules_sync(segment, (uint32_t)i + 2, &generation) != 0);
		}
	}
	for (int i = 0; i < 8; i++)
		waitpid(children[i], NULL, 0);
	nr_rows = count_rows(segment);
	cr_expect(nr_rows == 9 * nr, "%u rows for 9 times %u", nr_rows, nr);
	for (int i = 0; i < 8; i++) {
		uint32_t nr_of_child = 0;

		for (uint32_t j = 0; j < nr_rows; j++)
			nr_of_child += segment->modules[j].pid == (uint32_t)children[i];
		cr_expect(nr_of_child == nr);
	}
	covbuf_segment_close(segment);
}
