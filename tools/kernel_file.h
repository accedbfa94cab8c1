/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files of the kernel and its modules, by name and build-id.
 *
 * A module's file is relocatable: its sections have no addresses, and go wherever the kernel has room. A row of
 * a recording says therefore not only the file, but which place in it begins where the row does, as linkers
 * write it: "/lib/modules/6.12/updates/demo.ko(.text)", "vmlinux(_stext)".
 */
#ifndef COVBUF_KERNEL_FILE_H
#define COVBUF_KERNEL_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* The name a file's module has when loaded: "dm_mod" of "x/dm-mod.ko.xz"; NULL: no module's. The caller frees it. */
char *kernel_file_module(const char *path);

/* Take "FILE(PLACE)" apart, both interned. False: it is a path like any other. */
bool kernel_file_split(const char *text, const char **file, const char **place);

/* Whether there is such a file, of this build; of any, where build_id_bytes is 0. */
bool kernel_file_is(const char *path, const uint8_t *build_id, uint32_t build_id_bytes);

/*
 * The file of a module ("dm_mod"; "vmlinux": the kernel's) in a directory, deep: and below it. Interned; NULL: there
 * is none of this build.
 */
const char *kernel_file_find(const char *directory, const char *module, const uint8_t *build_id, uint32_t build_id_bytes,
			     bool deep);

#endif
