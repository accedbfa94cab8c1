/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel has at which address: a row for each section of code of each module, and one for
 * the kernel itself. Addresses are as a KCOV device records them: minus the kernel's random offset.
 *
 * Taken twice, before and after a recording, because modules come and go: what was there at either time is
 * in it. Where two modules were at the same addresses, one after the other, neither is.
 */
#ifndef COVBUF_KERNEL_MAP_H
#define COVBUF_KERNEL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <covbuf/segment.h>

struct kernel_row {
	const char *module;	/* "demo"; "vmlinux": the kernel. Interned, as all texts are */
	const char *place;	/* where in the file the row begins: a section, ".text", or a symbol, "_stext" */
	const char *path;	/* of the file; without '/': not known, "demo.ko" */
	uint64_t start, end;
	uint8_t build_id[32];
	uint32_t build_id_bytes;
	bool before, after;
};

struct kernel_map {
	const char *root;	/* below it are proc, sys, lib, boot; "" but in tests */
	struct kernel_row *rows;
	size_t nr, room;
	uint64_t offset;	/* running address minus recorded address */
	uint64_t text_start, text_end; /* of the kernel itself, running; 0: not known */
};

/* Look for the first time; finds the offset too. @why: what cannot be read, and what to do. */
int kernel_map_before(struct kernel_map *map, const char *root, struct covbuf_message *why);

/* And for the second. Complains of modules that cannot be told apart. */
int kernel_map_after(struct kernel_map *map, struct covbuf_message *why);

/* Find the modules' files: in directories (NULL-terminated), in the current directory, where depmod saw them. */
void kernel_map_find_files(struct kernel_map *map, const char *const *directories);

void kernel_map_fini(struct kernel_map *map);

/* ---- kernel_offset.c ------------------------------------------------------------------------- */

/*
 * How far the kernel was moved at boot from where it was linked, which KCOV subtracts from what it records.
 * text_start: address of _stext, from /proc/kallsyms. -ENOENT: there is nothing to find it by.
 */
int kernel_offset(const char *root, uint64_t text_start, uint64_t *offset);

#endif
