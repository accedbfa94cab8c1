// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_file.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binary.h"
#include "command.h"
#include "strings.h"

static const char *const endings[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };
#define NR_ENDINGS (sizeof(endings) / sizeof(endings[0]))

char *kernel_file_module(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = must_dup(base ? base + 1 : path);
	size_t n = strlen(name);

	for (size_t i = 0; i < NR_ENDINGS; i++) {
		size_t m = strlen(endings[i]);

		if (n <= m || strcmp(name + n - m, endings[i]))
			continue;
		name[n - m] = 0;
		for (char *p = name; *p; p++)
			if (*p == '-')
				*p = '_';
		return name;
	}
	free(name);
	return NULL;
}

static bool is_kernel(const char *path)
{
	const char *base = strrchr(path, '/');

	return !strncmp(base ? base + 1 : path, "vmlinux", 7);
}

static bool is_of(const char *path, const char *module)
{
	char *name = kernel_file_module(path);
	bool yes = name ? !strcmp(name, module) : is_kernel(path) && !strcmp(module, "vmlinux");

	free(name);
	return yes;
}

bool kernel_file_split(const char *text, const char **file, const char **place)
{
	size_t n = strlen(text);
	const char *open = strrchr(text, '(');
	char *path, *module;
	bool yes;

	if (!open || text[n - 1] != ')' || open + 2 > text + n - 1)
		return false;
	path = must_dup(text);
	path[open - text] = 0;
	module = kernel_file_module(path);
	yes = module || is_kernel(path);
	if (yes) {
		*file = intern(path);
		path[n - 1] = 0;
		*place = intern(path + (open - text) + 1);
	}
	free(module);
	free(path);
	return yes;
}

bool kernel_file_is(const char *path, const uint8_t *build_id, uint32_t build_id_bytes)
{
	uint8_t id[32];
	uint32_t n;

	if (!build_id_bytes)
		return !access(path, R_OK);
	return binary_peek(path, id, &n) && n == build_id_bytes && !memcmp(id, build_id, n);
}

static const char *find_below(const char *directory, const char *module, const uint8_t *build_id, uint32_t build_id_bytes)
{
	char *const paths[] = { (char *)directory, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	const char *found = NULL;
	FTSENT *entry;

	while (tree && !found && (entry = fts_read(tree))) {
		if (entry->fts_info == FTS_D && entry->fts_level && *entry->fts_name == '.')
			fts_set(tree, entry, FTS_SKIP);
		if ((entry->fts_info == FTS_NSOK || entry->fts_info == FTS_F || entry->fts_info == FTS_SL) &&
		    is_of(entry->fts_name, module) && kernel_file_is(entry->fts_path, build_id, build_id_bytes))
			found = intern(entry->fts_path);
	}
	if (tree)
		fts_close(tree);
	return found;
}

const char *kernel_file_find(const char *directory, const char *module, const uint8_t *build_id, uint32_t build_id_bytes,
			     bool deep)
{
	char *absolute = realpath(directory, NULL);
	const char *found = NULL;

	for (size_t i = 0; absolute && !found && i < NR_ENDINGS; i++) {
		char *path = must_printf("%s/%s%s", absolute, module, endings[i]);

		if (!access(path, R_OK) && kernel_file_is(path, build_id, build_id_bytes))
			found = intern(path);
		free(path);
	}
	if (absolute && !found && deep)
		found = find_below(absolute, module, build_id, build_id_bytes);
	free(absolute);
	return found;
}
