/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An executable, library or kernel module on disk: its build-id, its functions, and the points that its
 * instrumentation can report. Addresses are the file's own (as linked), so that a recording's minus
 * the module's bias can be looked up directly. A kernel module's file is relocatable and has none: libdwfl
 * gives its sections addresses, one after the other, and what a recording has is relative to a section.
 */
#ifndef COVBUF_BINARY_H
#define COVBUF_BINARY_H

#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <covbuf/segment.h>

struct binary_symbol {
	uint64_t start, end;
	const char *name;
};

/* Where the points come from, and with it how a recorded address is matched to one. */
enum points_source {
	POINTS_NONE,	/* not instrumented, or nothing is left that would tell */
	POINTS_TABLE,	/* __sancov_pcs: the greatest at or below a call, in the same function */
	POINTS_CALLS,	/* call sites of the callbacks: exactly the return address */
};

struct binary_point {
	uint64_t address; /* to be matched */
	uint64_t lookup;  /* the instruction whose line it is */
};

struct binary {
	char *path;
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *elf;
	uint64_t bias;	/* libdwfl's address minus the file's */
	uint16_t machine;
	bool relocatable;
	uint8_t build_id[32];
	uint32_t build_id_bytes;
	int64_t modified_ns;

	struct binary_symbol *symbols; /* functions, sorted by start */
	size_t nr_symbols, room_symbols;

	enum points_source source;
	struct binary_point *points; /* sorted by address */
	size_t nr_points, room_points;
	struct binary_point *calls; /* of the callbacks, sorted by return address; none where they were inlined */
	size_t nr_calls, room_calls;
};

/* Open and read the symbols. Errors: -ENOENT, -EACCES, -ENOEXEC and so on; why says it in words. */
int binary_open(const char *path, struct binary **out, struct covbuf_message *why);
void binary_close(struct binary *binary);

/* The build-id alone, none being 0 bytes; build_id has room for 32. False: not a file that binary_open() would open. */
bool binary_peek(const char *path, uint8_t *build_id, uint32_t *bytes);

/* A section's addresses; or a symbol's, of which the end is not known. */
struct binary_place {
	uint64_t start, end;
};
bool binary_find_place(const struct binary *binary, const char *name, struct binary_place *place);

/* The function that an address is in, or NULL. */
const struct binary_symbol *binary_function(const struct binary *binary, uint64_t address);

/* points.c: fill in the points. */
void binary_find_points(struct binary *binary);

/*
 * The point that a recorded address belongs to, by its value alone; or NULL. Where a callback was inlined,
 * what records may be moved away from its block: then only the source can tell, see coverage.c.
 */
const struct binary_point *binary_match(const struct binary *binary, uint64_t address);

#endif
