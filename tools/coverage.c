// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Joining a recording's addresses with the points of each binary, and these with the source.
 */
#include "coverage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "binary.h"
#include "by_source.h"
#include "command.h"
#include "coverage_sort.h"
#include "kernel_file.h"
#include "progress.h"
#include "strings.h"
#include "symbols.h"

static void format_build_id(const uint8_t *id, uint32_t bytes, char *text)
{
	for (uint32_t i = 0; i < bytes && i < 32; i++)
		sprintf(text + 2 * i, "%02x", id[i]);
	text[2 * (bytes < 32 ? bytes : 32)] = 0;
}

/* ---- the right binary ------------------------------------------------------------------------ */

static bool same_build(const struct binary *binary, const struct recording_module *module)
{
	return binary->build_id_bytes == module->build_id_bytes &&
	       !memcmp(binary->build_id, module->build_id, module->build_id_bytes);
}

static const char *module_file(const struct recording_module *module)
{
	return module->file ? module->file : module->path;
}

/* The option that says where such files are. */
static const char *module_option(const struct recording_module *module)
{
	return module->file ? "--module-dir" : "--binaries";
}

static bool check_build(const struct binary *binary, const struct recording_module *module, uint64_t created_ns,
			uint64_t nr_pcs)
{
	char here[80], recorded[80];

	if (module->build_id_bytes && !same_build(binary, module)) {
		format_build_id(binary->build_id, binary->build_id_bytes, here);
		format_build_id(module->build_id, module->build_id_bytes, recorded);
		complain(binary->path,
			 "it has changed since the recording (build-id %s, recorded %s); its %" PRIu64
			 " addresses are left out; give the directory of the old one with %s",
			 *here ? here : "none", recorded, nr_pcs, module_option(module));
		return false;
	}
	if (!module->build_id_bytes && created_ns && binary->modified_ns > (int64_t)created_ns)
		complain(binary->path,
			 "it is newer than the recording and has no build-id to tell whether it changed; link it with "
			 "-Wl,--build-id");
	return true;
}

/*
 * In the directory that was given: by its name; kernel modules further below, too, and those that have a name
 * only also here. NULL: not there.
 */
static char *find_elsewhere(const struct recording_module *module, const struct coverage_options *options)
{
	const char *file = module_file(module), *base = strrchr(file, '/'), *found = NULL;
	char *module_name;
	const char *name;

	if (!module->file)
		return options->binary_directory ? must_printf("%s/%s", options->binary_directory, base ? base + 1 : file) : NULL;
	module_name = kernel_file_module(file);
	name = module_name ? module_name : "vmlinux";
	if (options->module_directory)
		found = kernel_file_find(options->module_directory, name, module->build_id,
					 module->build_id_bytes, true);
	if (!found && options->binary_directory)
		found = kernel_file_find(options->binary_directory, name, module->build_id,
					 module->build_id_bytes, false);
	if (!found && !base && module->build_id_bytes)
		found = kernel_file_find(".", name, module->build_id, module->build_id_bytes, false);
	free(module_name);
	return found ? must_dup(found) : NULL;
}

/* Only instrumented modules have points, and where only modules are instrumented the kernel itself has none. */
static void complain_missing(const struct recording_module *module, const char *why, uint64_t nr_pcs)
{
	const char *file = module_file(module);

	if (module->file && !strncmp(file, "vmlinux", 7))
		complain(file,
			 "no file of this kernel is known; its %" PRIu64 " addresses are left out; give its directory with "
			 "--module-dir; or if only modules are instrumented, these are callers of functions that end with a jump to "
			 "the callback: build the modules with -fno-optimize-sibling-calls",
			 nr_pcs);
	else if (module->file && !strchr(file, '/'))
		complain(file, "where it was loaded from is not known; its %" PRIu64 " addresses are left out; give its directory "
			       "with --module-dir", nr_pcs);
	else
		complain(file, "%s; its %" PRIu64 " addresses are left out; give its directory with %s", why, nr_pcs,
			 module_option(module));
}

/* Where the binary was, or in the directory that was given. */
static struct binary *open_binary(const struct recording_module *module, const struct recording *recording,
				  const struct coverage_options *options, uint64_t nr_pcs)
{
	char *other = find_elsewhere(module, options);
	struct covbuf_message why = { "" };
	struct binary *binary;
	int err;

	if (other) {
		err = binary_open(other, &binary, &why);
		free(other);
		if (!err && (!module->build_id_bytes || same_build(binary, module)))
			return binary;
		if (!err)
			binary_close(binary);
	}
	if ((module->file && !strchr(module->file, '/')) || binary_open(module_file(module), &binary, &why)) {
		if (nr_pcs)
			complain_missing(module, why.text, nr_pcs);
		return NULL;
	}
	if (nr_pcs ? check_build(binary, module, recording->created_ns, nr_pcs) :
		     !module->build_id_bytes || same_build(binary, module))
		return binary;
	binary_close(binary);
	return NULL;
}

/* ---- hits ------------------------------------------------------------------------------------ */

/* Points of one binary, those that a record hit beyond them, and where each is in the source. */
struct joined {
	const struct binary *binary;
	uint64_t *hits; /* of each point */
	struct place *places;
	struct pcset others;
};

/* place: what the addresses are relative to. Returns how many are beyond its end, and were left out. */
static uint64_t join_hits(struct joined *joined, const struct pcset *pcs, const struct binary_place *place)
{
	const struct binary *binary = joined->binary;
	uint64_t beyond = 0;

	for (size_t i = 0; i < pcs->nr_slots; i++) {
		const struct pcset_entry *entry = &pcs->slots[i];
		const struct binary_point *point;

		if (!entry->hits)
			continue;
		if (entry->pc > place->end - place->start) {
			beyond++;
			continue;
		}
		point = binary_match(binary, place->start + entry->pc);
		if (point)
			joined->hits[point - binary->points] += entry->hits;
		else
			pcset_add(&joined->others, place->start + entry->pc, entry->hits);
	}
	return beyond;
}

/* file relative to the prefix; NULL: it is not below. */
static const char *below_prefix(const char *file, const char *prefix)
{
	size_t n;

	if (!prefix || !file)
		return file;
	n = strlen(prefix);
	if (strncmp(file, prefix, n))
		return NULL;
	if (n && prefix[n - 1] == '/')
		return file[n] ? intern(file + n) : NULL;
	return file[n] == '/' && file[n + 1] ? intern(file + n + 1) : NULL;
}

static void add_point(struct coverage *coverage, const struct coverage_options *options, const char *module,
		      const struct place *place, uint64_t address, uint64_t hits, bool counts)
{
	const char *file = below_prefix(place->line ? place->file : module, options->source_prefix);
	const char *function_file = below_prefix(place->function_file, options->source_prefix);

	if (!file)
		return;
	coverage->points = must_grow(coverage->points, coverage->nr_points, &coverage->room_points,
				     sizeof(*coverage->points));
	coverage->points[coverage->nr_points++] = (struct coverage_point){
		.module = module,
		.address = address,
		.file = file,
		.line = place->line,
		.function = place->function ? place->function : intern("?"),
		.function_file = function_file ? function_file : file,
		.function_line = place->function_line,
		.hits = hits,
		.counts = counts,
	};
}

static void hint_debug_info(const char *path)
{
	complain(path, "it has no debug information: functions are those of its symbol table, lines are not known; build "
		       "with -g, or install its debug symbols");
}

/* ---- inlined callbacks ----------------------------------------------------------------------- */

/* Records that no value gave a point: by their source; those left over only make their lines reached. */
static void join_others(struct coverage *coverage, const struct coverage_options *options, const char *path,
			struct joined *joined)
{
	size_t nr = joined->others.nr;
	struct pcset_entry *entries = pcset_sorted(&joined->others);
	struct place *places = must_alloc(nr * sizeof(*places));
	struct by_source by;

	by_source_init(&by, joined->binary, joined->places,
		       joined->binary->source == POINTS_TABLE ? joined->binary->nr_points : 0);
	for (size_t i = 0; i < nr; i++)
		places[i].address = entries[i].pc - 1;
	symbols_resolve(joined->binary, places, nr);
	for (size_t i = 0; i < nr; i++) {
		const struct place *point = by_source_find(&by, &places[i]);

		if (point)
			joined->hits[point - joined->places] += entries[i].hits;
		else if (places[i].function)
			add_point(coverage, options, path, &places[i], entries[i].pc, entries[i].hits, false);
	}
	by_source_fini(&by);
	free(places);
	free(entries);
}

/* What of a recording is of one file: one module, or the sections of one. */
struct parts {
	const struct recording_module **modules;
	size_t nr;
	uint64_t nr_pcs;
};

static void join_part(struct joined *joined, const struct recording_module *module)
{
	struct binary_place place = { 0, ~0ull };
	uint64_t nr_pcs = module->pcs[COVBUF_MODE_PC].nr + module->pcs[COVBUF_MODE_CMP].nr;
	uint64_t beyond = 0;

	if (module->place && !binary_find_place(joined->binary, module->place, &place)) {
		if (nr_pcs)
			complain(joined->binary->path, "it has no %s; %" PRIu64 " addresses are left out", module->place, nr_pcs);
		return;
	}
	for (unsigned int mode = 0; mode < COVBUF_NR_MODES; mode++)
		beyond += join_hits(joined, &module->pcs[mode], &place);
	if (beyond)
		complain(joined->binary->path, "%" PRIu64 " addresses are beyond the end of its %s, and are left out", beyond,
			 module->place ? module->place : "text");
}

static void join_parts(struct coverage *coverage, const struct coverage_options *options, const struct parts *parts,
		       struct binary *binary)
{
	const char *file = module_file(parts->modules[0]);
	struct joined joined = { .binary = binary };
	size_t nr = binary->nr_points;
	size_t with_line;

	joined.hits = must_alloc(nr * sizeof(*joined.hits));
	joined.places = must_alloc(nr * sizeof(*joined.places));
	for (size_t i = 0; i < parts->nr; i++)
		join_part(&joined, parts->modules[i]);
	/* In both sources of points the lookup address rises with the address. */
	for (size_t i = 0; i < nr; i++)
		joined.places[i].address = binary->points[i].lookup;
	with_line = symbols_resolve(binary, joined.places, nr);
	if (nr && !with_line)
		hint_debug_info(file);
	if (joined.others.nr)
		join_others(coverage, options, file, &joined);
	for (size_t i = 0; i < nr; i++)
		add_point(coverage, options, file, &joined.places[i], binary->points[i].address, joined.hits[i], true);
	if (!nr) {
		complain(file, "it says nowhere how many points it has: only what was reached is known; build it with %s",
			 parts->modules[0]->file ? "-fsanitize-coverage=trace-pc" : "-fsanitize-coverage=trace-pc-guard,pc-table");
		coverage->totals_known = false;
	}
	pcset_fini(&joined.others);
	free(joined.hits);
	free(joined.places);
}

static void build_parts(struct coverage *coverage, const struct recording *recording,
			const struct coverage_options *options, const struct parts *parts)
{
	const struct recording_module *module = parts->modules[0];
	struct binary *binary;

	/* The kernel itself is large, and instrumented as a whole or not at all. */
	if (!parts->nr_pcs && (*module_file(module) != '/' || (module->place && *module->place != '.')))
		return;
	binary = open_binary(module, recording, options, parts->nr_pcs);
	if (!binary) {
		coverage->modules_left_out += parts->nr_pcs != 0;
		return;
	}
	binary_find_points(binary);
	if (binary->nr_points || parts->nr_pcs) {
		join_parts(coverage, options, parts, binary);
		coverage->modules++;
	}
	binary_close(binary);
}

static bool same_file(const struct recording_module *a, const struct recording_module *b)
{
	return a == b || (a->file && a->file == b->file && a->build_id_bytes == b->build_id_bytes &&
			  !memcmp(a->build_id, b->build_id, a->build_id_bytes));
}

/* The i-th module with all others of its file; false: it was one of those before. */
static bool gather_parts(const struct recording *recording, size_t i, struct parts *parts)
{
	const struct recording_module *first = &recording->modules[i];

	parts->nr = parts->nr_pcs = 0;
	for (size_t k = 0; k < i && first->file; k++)
		if (same_file(first, &recording->modules[k]))
			return false;
	for (size_t k = i; k < (first->file ? recording->nr_modules : i + 1); k++) {
		const struct recording_module *module = &recording->modules[k];

		if (!same_file(first, module))
			continue;
		parts->modules[parts->nr++] = module;
		parts->nr_pcs += module->pcs[COVBUF_MODE_PC].nr + module->pcs[COVBUF_MODE_CMP].nr;
	}
	return true;
}

void coverage_build(struct coverage *coverage, const struct recording *recording,
		    const struct coverage_options *options)
{
	struct parts parts = { .modules = must_alloc(recording->nr_modules * sizeof(parts.modules[0])) };

	*coverage = (struct coverage){ .totals_known = true };
	progress_begin("looking up the source");
	for (size_t i = 0; i < recording->nr_modules; i++) {
		if (gather_parts(recording, i, &parts))
			build_parts(coverage, recording, options, &parts);
		progress_at(i + 1, recording->nr_modules);
	}
	progress_end();
	free(parts.modules);
	coverage_sort(coverage);
}

void coverage_fini(struct coverage *coverage)
{
	free(coverage->points);
	free(coverage->files);
	free(coverage->lines);
	free(coverage->functions);
	*coverage = (struct coverage){ 0 };
}
