// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading /proc/modules, /sys/module/NAME/sections and notes, and /proc/kallsyms.
 *
 * The kernel says where a section begins and not where it ends. It ends at the latest where the next
 * section of any module begins, and no further on than its module is large; addresses between its true
 * end and there are nobody's, so nothing is ever recorded at them.
 *
 * What a module had for its initialization only is listed for as long as the module is loaded, and long
 * since somebody else's. It counts only if the module was initialized while we recorded, and nobody is
 * known to have been there since.
 */
#include "kernel_map.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "kernel_file.h"
#include "strings.h"

#define NOTE_GNU_BUILD_ID 3
#define MAX_NOTES_BYTES 65536

/* A section of a loaded module. */
struct section {
	const char *module, *name;
	uint64_t start;
	uint64_t module_start, module_bytes;
	bool code, init;
};

struct sections {
	struct section *all;
	size_t nr, room;
};

static int say_unreadable(struct covbuf_message *why, const char *path, int err)
{
	snprintf(why->text, sizeof(why->text), "%s: cannot be read: %s", path, strerror(err));
	return -err;
}

static FILE *open_below(const char *root, const char *path)
{
	char *whole = must_printf("%s%s", root, path);
	FILE *file = fopen(whole, "re");
	int err = errno;

	free(whole);
	errno = err;
	return file;
}

/* ---- build-ids ------------------------------------------------------------------------------- */

static uint32_t read_u32(const unsigned char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* The note of the GNU build-id among others. */
static void find_build_id(struct kernel_row *row, const unsigned char *notes, size_t bytes)
{
	size_t at = 0;

	while (bytes - at >= 12) {
		uint64_t name = (read_u32(notes + at) + 3ull) & ~3ull;
		uint64_t text = read_u32(notes + at + 4);
		uint32_t type = read_u32(notes + at + 8);

		at += 12;
		if (name > bytes - at || text > bytes - at - name)
			return;
		if (type == NOTE_GNU_BUILD_ID && name == 4 && !memcmp(notes + at, "GNU", 4) && text <= sizeof(row->build_id)) {
			memcpy(row->build_id, notes + at + name, text);
			row->build_id_bytes = (uint32_t)text;
			return;
		}
		at += name + ((text + 3) & ~3ull);
		if (at > bytes)
			return;
	}
}

static void read_build_id(const struct kernel_map *map, struct kernel_row *row)
{
	char *path = strcmp(row->module, "vmlinux") ?
			     must_printf("/sys/module/%s/notes/.note.gnu.build-id", row->module) :
			     must_dup("/sys/kernel/notes");
	FILE *file = open_below(map->root, path);
	unsigned char *notes = must_alloc(MAX_NOTES_BYTES);

	if (file) {
		find_build_id(row, notes, fread(notes, 1, MAX_NOTES_BYTES, file));
		fclose(file);
	}
	free(notes);
	free(path);
}

/* ---- sections -------------------------------------------------------------------------------- */

/* The symbols as they were in the file, too: the kernel keeps what it wants of them elsewhere. */
static bool is_init(const char *name)
{
	return !strncmp(name, ".init", 5) || !strcmp(name, ".symtab") || !strcmp(name, ".strtab");
}

/* Kernel sections of code are all named for it: .text, .text.unlikely, .init.text, .noinstr.text. */
static bool is_code(const char *name)
{
	size_t n = strlen(name);

	return !strncmp(name, ".text", 5) || (n >= 5 && !strcmp(name + n - 5, ".text")) || strstr(name, ".text.");
}

static void add_section(struct sections *sections, const struct section *section)
{
	sections->all = must_grow(sections->all, sections->nr, &sections->room, sizeof(*sections->all));
	sections->all[sections->nr++] = *section;
}

static bool read_address(const char *root, const char *module, const char *name, uint64_t *address)
{
	char *path = must_printf("/sys/module/%s/sections/%s", module, name);
	FILE *file = open_below(root, path);
	bool ok = file && fscanf(file, "%" SCNx64, address) == 1;

	if (file)
		fclose(file);
	free(path);
	return ok;
}

/* A module that is unloaded under our hands is none. */
static void read_sections(const char *root, const struct section *module, struct sections *sections)
{
	char *path = must_printf("%s/sys/module/%s/sections", root, module->module);
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		struct section section = *module;

		if (entry->d_name[0] == '.' && (!entry->d_name[1] || !strcmp(entry->d_name, "..")))
			continue;
		if (!read_address(root, module->module, entry->d_name, &section.start) || !section.start)
			continue;
		section.name = intern(entry->d_name);
		section.code = is_code(entry->d_name);
		section.init = is_init(entry->d_name);
		add_section(sections, &section);
	}
	if (directory)
		closedir(directory);
	free(path);
}

static int read_modules(const char *root, struct sections *sections, struct covbuf_message *why)
{
	FILE *file = open_below(root, "/proc/modules");
	char line[4096], name[128];
	struct section module;
	bool any = false;

	/* A kernel without modules has no such file. */
	if (!file)
		return errno == ENOENT ? 0 : say_unreadable(why, "/proc/modules", errno);
	while (fgets(line, sizeof(line), file)) {
		module = (struct section){ .name = NULL };
		if (sscanf(line, "%127s %" SCNu64 " %*s %*s %*s %" SCNx64, name, &module.module_bytes, &module.module_start) != 3)
			continue;
		any = true;
		module.module = intern(name);
		if (module.module_start)
			read_sections(root, &module, sections);
	}
	fclose(file);
	if (any && !sections->nr) {
		snprintf(why->text, sizeof(why->text),
			 "the kernel hides its modules' addresses%s",
			 geteuid() ? ": only root may see them" : " from everybody: 'sysctl kernel.kptr_restrict=1' shows them to root");
		return -EPERM;
	}
	return 0;
}

/* ---- the kernel itself ----------------------------------------------------------------------- */

static void read_kernel_text(struct kernel_map *map)
{
	FILE *file = open_below(map->root, "/proc/kallsyms");
	char line[1024], name[256];
	uint64_t address;

	while (file && !(map->text_start && map->text_end) && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) != 2)
			continue;
		if (!strcmp(name, "_stext"))
			map->text_start = address;
		else if (!strcmp(name, "_etext"))
			map->text_end = address;
	}
	if (file)
		fclose(file);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool was_there(const struct kernel_map *map, const char *module)
{
	for (size_t i = 0; i < map->nr; i++)
		if (map->rows[i].before && map->rows[i].module == module)
			return true;
	return false;
}

static int compare_sections(const void *a, const void *b)
{
	const struct section *x = a;
	const struct section *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether another module lies where this section was when its module began. */
static bool is_taken(const struct sections *sections, const struct section *section)
{
	for (size_t i = 0; i < sections->nr; i++) {
		const struct section *other = &sections->all[i];

		if (other->module != section->module && section->start - other->module_start < other->module_bytes)
			return true;
	}
	return false;
}

/* Leave out what is not there any more, so that it bounds nothing either. */
static void drop_init(const struct kernel_map *map, struct sections *sections, bool after)
{
	size_t kept = 0;

	for (size_t i = 0; i < sections->nr; i++) {
		struct section *section = &sections->all[i];

		if (section->init && (!after || was_there(map, section->module) || is_taken(sections, section)))
			section->start = 0;
	}
	for (size_t i = 0; i < sections->nr; i++)
		if (sections->all[i].start)
			sections->all[kept++] = sections->all[i];
	sections->nr = kept;
}

static void add_row(struct kernel_map *map, struct kernel_row row, bool after)
{
	read_build_id(map, &row);
	for (size_t i = 0; i < map->nr; i++) {
		struct kernel_row *known = &map->rows[i];

		if (known->module != row.module || known->place != row.place || known->start != row.start ||
		    known->build_id_bytes != row.build_id_bytes ||
		    memcmp(known->build_id, row.build_id, sizeof(row.build_id)))
			continue;
		if (row.end < known->end)
			known->end = row.end;
		known->after = after;
		return;
	}
	row.path = strcmp(row.module, "vmlinux") ? intern_printf("%s.ko", row.module) : row.module;
	row.before = !after;
	row.after = after;
	map->rows = must_grow(map->rows, map->nr, &map->room, sizeof(*map->rows));
	map->rows[map->nr++] = row;
}

static void add_rows(struct kernel_map *map, struct sections *sections, bool after)
{
	drop_init(map, sections, after);
	if (sections->nr)
		qsort(sections->all, sections->nr, sizeof(*sections->all), compare_sections);
	for (size_t i = 0; i < sections->nr; i++) {
		const struct section *section = &sections->all[i];
		uint64_t end = section->start + section->module_bytes;

		if (!section->code)
			continue;
		for (size_t k = i + 1; k < sections->nr; k++) {
			if (sections->all[k].start == section->start)
				continue;
			if (sections->all[k].start < end)
				end = sections->all[k].start;
			break;
		}
		add_row(map,
			(struct kernel_row){ .module = section->module, .place = section->name,
					     .start = section->start - map->offset, .end = end - map->offset },
			after);
	}
}

static int look(struct kernel_map *map, bool after, struct covbuf_message *why)
{
	struct sections sections = { .nr = 0 };
	int err = read_modules(map->root, &sections, why);

	if (!err)
		add_rows(map, &sections, after);
	free(sections.all);
	return err;
}

int kernel_map_before(struct kernel_map *map, const char *root, struct covbuf_message *why)
{
	*map = (struct kernel_map){ .root = root };
	read_kernel_text(map);
	if (kernel_offset(root, map->text_start, &map->offset)) {
		snprintf(why->text, sizeof(why->text),
			 "how far the kernel was moved at boot is told neither by covbuf.ko, nor by /proc/kcore, nor by /proc/kallsyms; "
			 "without it no address has a name%s",
			 map->text_start ? "" : " ('sysctl kernel.kptr_restrict=1' lets root see addresses)");
		return -ENOENT;
	}
	if (map->text_start && map->text_end > map->text_start)
		add_row(map,
			(struct kernel_row){ .module = intern("vmlinux"), .place = intern("_stext"),
					     .start = map->text_start - map->offset, .end = map->text_end - map->offset },
			false);
	return look(map, false, why);
}

/* Two that were at the same place at different times: of a record there nobody can say whose it is. */
static void drop_overlaps(struct kernel_map *map)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->nr; i++) {
		for (size_t k = i + 1; k < map->nr; k++) {
			struct kernel_row *a = &map->rows[i], *b = &map->rows[k];

			if (a->start >= b->end || b->start >= a->end)
				continue;
			complain(NULL,
				 "module %s was loaded where %s had been, while recording: what was recorded there cannot be told "
				 "apart, and is left out",
				 b->module, a->module);
			a->place = b->place = NULL;
		}
	}
	for (size_t i = 0; i < map->nr; i++)
		if (map->rows[i].place)
			map->rows[kept++] = map->rows[i];
	map->nr = kept;
}

int kernel_map_after(struct kernel_map *map, struct covbuf_message *why)
{
	int err = look(map, true, why);

	if (!err)
		drop_overlaps(map);
	return err;
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *read_release(const char *root)
{
	FILE *file = open_below(root, "/proc/sys/kernel/osrelease");
	char release[256] = "";

	if (file) {
		if (fscanf(file, "%255s", release) != 1)
			*release = 0;
		fclose(file);
	}
	return must_dup(release);
}

/* Give all rows of a module their file. */
static void set_path(struct kernel_map *map, const char *module, const char *path)
{
	for (size_t i = 0; i < map->nr; i++)
		if (map->rows[i].module == module)
			map->rows[i].path = path;
}

static bool has_file(const struct kernel_row *row)
{
	return strchr(row->path, '/') != NULL;
}

/* "kernel/fs/fuse/fuse.ko.xz: ..." for each module that depmod saw, relative to the modules' directory. */
static void ask_depmod(struct kernel_map *map, const char *release)
{
	char *path = must_printf("/lib/modules/%s/modules.dep", release);
	FILE *file = open_below(map->root, path);
	char *line = NULL, *name, *whole;
	size_t room = 0;

	while (file && getline(&line, &room, file) >= 0) {
		line[strcspn(line, ":\n")] = 0;
		name = kernel_file_module(line);
		for (size_t i = 0; name && i < map->nr; i++) {
			if (has_file(&map->rows[i]) || strcmp(map->rows[i].module, name))
				continue;
			whole = *line == '/' ? must_dup(line) : must_printf("/lib/modules/%s/%s", release, line);
			set_path(map, map->rows[i].module, intern(whole));
			free(whole);
		}
		free(name);
	}
	if (file)
		fclose(file);
	free(line);
	free(path);
}

static void find_kernel(struct kernel_map *map, struct kernel_row *row, const char *release)
{
	static const char *const places[] = { "/usr/lib/debug/boot/vmlinux-%s", "/usr/lib/debug/lib/modules/%s/vmlinux",
					      "/lib/modules/%s/build/vmlinux", "/boot/vmlinux-%s" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path, *whole;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		path = must_printf(places[i], release);
#pragma GCC diagnostic pop
		whole = must_printf("%s%s", map->root, path);
		if (!has_file(row) && kernel_file_is(whole, row->build_id, row->build_id_bytes))
			row->path = intern(path);
		free(whole);
		free(path);
	}
}

void kernel_map_find_files(struct kernel_map *map, const char *const *directories)
{
	char *release = read_release(map->root);
	char *here = realpath(".", NULL);

	for (size_t i = 0; i < map->nr; i++) {
		struct kernel_row *row = &map->rows[i];

		for (size_t k = 0; directories[k] && !has_file(row); k++) {
			const char *found = kernel_file_find(directories[k], row->module, row->build_id, row->build_id_bytes, true);

			if (found)
				set_path(map, row->module, found);
		}
		if (!has_file(row) && !strcmp(row->module, "vmlinux"))
			find_kernel(map, row, release);
	}
	for (size_t i = 0; here && i < map->nr; i++) {
		struct kernel_row *row = &map->rows[i];
		const char *found = has_file(row) || !row->build_id_bytes ? NULL :
				    kernel_file_find(here, row->module, row->build_id, row->build_id_bytes, false);

		if (found)
			set_path(map, row->module, found);
	}
	if (*release)
		ask_depmod(map, release);
	free(here);
	free(release);
}

void kernel_map_fini(struct kernel_map *map)
{
	free(map->rows);
	*map = (struct kernel_map){ .nr = 0 };
}
