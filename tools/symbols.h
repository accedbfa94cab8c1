/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From addresses to source lines and functions, many at a time: each compile unit's tables are walked
 * once, and each range asks which of the sorted addresses it covers.
 */
#ifndef COVBUF_SYMBOLS_H
#define COVBUF_SYMBOLS_H

#include "binary.h"

/* Where an address is in the source. Texts are interned; NULL and 0: not known. */
struct place {
	uint64_t address;	/* of the instruction; filled in by the caller */
	const char *file;
	const char *function;	/* the innermost, inlined ones too */
	const char *function_file;
	uint32_t line, column, function_line;
	uint32_t depth;		/* of the function's DIE */
};

/*
 * Fill in places, sorted by address. Returns how many have a line: none means that there is no debug
 * information, and functions are those of the symbol table.
 */
size_t symbols_resolve(const struct binary *binary, struct place *places, size_t nr);

/* The function that the symbol table has at an address, for people to read; interned. Or NULL. */
const char *symbols_function(const struct binary *binary, uint64_t address);

#endif
