// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "index.h"
#include "strings.h"

/* Nesting of DIEs that is followed: corrupt input must not exhaust the stack. */
#define MAX_DEPTH 256

/* From libstdc++; NULL where a name is not mangled. */
char *__cxa_demangle(const char *name, char *out, size_t *bytes, int *status);

struct resolver {
	const struct binary *binary;
	uint64_t shift; /* file's address minus DWARF's */
	const char *directory; /* of the compile unit */
	const char *unit;	/* its name */
	struct place *places;
	size_t nr;
	/* What was inlined into the unit: described once, and mostly inlined often. */
	struct place *inlined;
	size_t nr_inlined, room_inlined;
	struct index origins; /* of those, by the address of the DIE that they were made from */
};

/* Index of the first place at or above an address. */
static size_t find_first(const struct resolver *r, uint64_t address)
{
	size_t low = 0, high = r->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->places[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *demangle(const char *name)
{
	const char *result;
	char *plain;
	int status;

	if (strncmp(name, "_Z", 2))
		return intern(name);
	plain = __cxa_demangle(name, NULL, NULL, &status);
	if (!plain)
		return intern(name);
	result = intern(plain);
	free(plain);
	return result;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* A file of the unit's table, and what it is for us. */
struct source {
	const char *name, *file;
};

static const char *find_source(const struct resolver *r, struct source *last, Dwarf_Line *row)
{
	const char *name = dwarf_linesrc(row, NULL, NULL);

	/* one text for each file of the table: rows that follow each other mostly have the same */
	if (name && name != last->name)
		*last = (struct source){ name, intern_path(r->directory, name) };
	return name ? last->file : NULL;
}

static void set_lines(struct resolver *r, struct source *source, uint64_t start, uint64_t end, Dwarf_Line *row)
{
	const char *file = NULL;
	int line, column = 0;

	for (size_t i = find_first(r, start); i < r->nr && r->places[i].address < end; i++) {
		if (!file) {
			file = find_source(r, source, row);
			if (!file || dwarf_lineno(row, &line) || line <= 0)
				return;
			dwarf_linecol(row, &column);
		}
		r->places[i].file = file;
		r->places[i].line = (uint32_t)line;
		r->places[i].column = column > 0 ? (uint32_t)column : 0;
	}
}

/*
 * Rows are sorted by address, the end of a sequence before others of the same address. Such a one may
 * begin the next sequence, or be an empty one of the sequence that ends, which reaches nowhere.
 */
static void walk_lines(struct resolver *r, Dwarf_Die *unit)
{
	Dwarf_Addr ended = ~(Dwarf_Addr)0;
	struct source source = { .name = NULL };
	Dwarf_Lines *rows;
	size_t nr;

	if (dwarf_getsrclines(unit, &rows, &nr))
		return;
	for (size_t i = 0; i + 1 < nr; i++) {
		Dwarf_Line *row = dwarf_onesrcline(rows, i);
		Dwarf_Line *next = dwarf_onesrcline(rows, i + 1);
		Dwarf_Addr start, end;
		bool last;

		if (dwarf_lineendsequence(row, &last) || dwarf_lineaddr(row, &start) || dwarf_lineaddr(next, &end))
			continue;
		if (last)
			ended = start;
		else if (start < end && (start != ended || dwarf_haspc(unit, start)))
			set_lines(r, &source, start + r->shift, end + r->shift, row);
	}
}

/* ---- functions ------------------------------------------------------------------------------- */

/* What a concrete or inlined instance was made from: its names are there. */
static void find_origin(Dwarf_Die *die, Dwarf_Die *origin)
{
	static const unsigned int links[] = { DW_AT_abstract_origin, DW_AT_specification };

	*origin = *die;
	for (unsigned int i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		Dwarf_Attribute attribute;
		Dwarf_Die target;

		if (dwarf_attr(origin, links[i], &attribute) && dwarf_formref_die(&attribute, &target))
			*origin = target;
	}
}

static const char *name_function(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	if (!name)
		name = dwarf_diename(die);
	return name ? demangle(name) : NULL;
}

static void describe(const struct resolver *r, Dwarf_Die *die, Dwarf_Die *origin, struct place *out)
{
	const char *file;
	int line = 0;

	out->function = name_function(die);
	file = dwarf_decl_file(origin);
	if (!file)
		file = dwarf_decl_file(die);
	if (dwarf_decl_line(origin, &line) && dwarf_decl_line(die, &line))
		return;
	/* DWARF 5 numbers files from 0, the unit itself; libdw before 0.189 takes 0 for none. */
	if (!file)
		file = r->unit;
	if (file)
		out->function_file = intern_path(r->directory, file);
	out->function_line = line > 0 ? (uint32_t)line : 0;
}

static void describe_function(struct resolver *r, Dwarf_Die *die, struct place *out)
{
	Dwarf_Die origin;
	uint32_t i;

	find_origin(die, &origin);
	/* an inlined instance has no name of its own */
	if (dwarf_tag(die) != DW_TAG_inlined_subroutine || origin.addr == die->addr) {
		describe(r, die, &origin, out);
		return;
	}
	i = index_find(&r->origins, (uintptr_t)origin.addr, (uint32_t)r->nr_inlined);
	if (i == r->nr_inlined) {
		r->inlined = must_grow(r->inlined, r->nr_inlined, &r->room_inlined, sizeof(*r->inlined));
		r->inlined[r->nr_inlined] = (struct place){ .address = 0 };
		describe(r, die, &origin, &r->inlined[r->nr_inlined++]);
	}
	*out = r->inlined[i];
}

/* Files are told by the unit that they are in, for what was inlined too. */
static void forget_inlined(struct resolver *r)
{
	r->nr_inlined = 0;
	index_fini(&r->origins);
}

static void set_function(struct resolver *r, Dwarf_Die *die, uint32_t depth)
{
	struct place function = { .address = 0 };
	bool described = false;
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
		for (size_t i = find_first(r, start + r->shift);
		     i < r->nr && r->places[i].address < end + r->shift; i++) {
			struct place *place = &r->places[i];

			if (place->function && place->depth >= depth)
				continue;
			if (!described)
				describe_function(r, die, &function);
			described = true;
			if (!function.function)
				return;
			place->function = function.function;
			place->function_file = function.function_file;
			place->function_line = function.function_line;
			place->depth = depth;
		}
	}
}

static void walk_functions(struct resolver *r, Dwarf_Die *parent, uint32_t depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
		case DW_TAG_inlined_subroutine:
			set_function(r, &die, depth);
			walk_functions(r, &die, depth + 1);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
			walk_functions(r, &die, depth + 1);
			break;
		}
	} while (!dwarf_siblingof(&die, &die));
}

/* ---- all of it ------------------------------------------------------------------------------- */

static const char *unit_directory(Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(unit, DW_AT_comp_dir, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

const char *symbols_function(const struct binary *binary, uint64_t address)
{
	const struct binary_symbol *symbol = binary_function(binary, address);

	return symbol ? demangle(symbol->name) : NULL;
}

size_t symbols_resolve(const struct binary *binary, struct place *places, size_t nr)
{
	struct resolver r = { .binary = binary, .places = places, .nr = nr };
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;
	size_t with_line = 0;

	while (nr && (unit = dwfl_module_nextcu(binary->module, unit, &bias))) {
		Dwarf_Die split, *die = unit;
		Dwarf_Die unused;
		uint8_t type;

		r.shift = bias - binary->bias;
		r.directory = unit_directory(unit);
		r.unit = dwarf_diename(unit);
		forget_inlined(&r);
		walk_lines(&r, unit);
		if (!dwarf_cu_info(unit->cu, NULL, &type, &unused, &split, NULL, NULL, NULL) &&
		    type == DW_UT_skeleton && split.addr)
			die = &split;
		walk_functions(&r, die, 1);
	}
	forget_inlined(&r);
	free(r.inlined);
	for (size_t i = 0; i < nr; i++) {
		if (!places[i].function)
			places[i].function = symbols_function(binary, places[i].address);
		with_line += places[i].line != 0;
		/* What the compiler made itself has no line: it counts where its function begins. */
		if (!places[i].line && places[i].function_line) {
			places[i].file = places[i].function_file;
			places[i].line = places[i].function_line;
		}
	}
	return with_line;
}
