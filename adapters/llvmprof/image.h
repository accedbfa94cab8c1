/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The image that the runtime is linked into: its sections, its build ID, its path, and the ELF note by which
 * covbuf_profile_baseline() finds what is known of it.
 */
#ifndef COVB_LLVMPROF_IMAGE_H
#define COVB_LLVMPROF_IMAGE_H

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "raw.h"

#define COVB_MAX_BUILD_ID 64
#define COVB_TEXT_OF(number) #number
#define COVB_TEXT(number) COVB_TEXT_OF(number)
#define COVB_CLANG_MAJOR COVB_TEXT(__clang_major__)

#define COVB_HIDDEN __attribute__((visibility("hidden")))

/* The linker defines these where the image has such a section. */
#define COVB_SECTION(type, name)                                                                 \
	extern COVB_HIDDEN __attribute__((weak)) type __start___llvm_prf_##name[];               \
	extern COVB_HIDDEN __attribute__((weak)) type __stop___llvm_prf_##name[];
COVB_SECTION(struct covb_raw_record, data)
COVB_SECTION(uint64_t, cnts)
COVB_SECTION(unsigned char, bits)
COVB_SECTION(char, names)
#define COVB_SECTION_BYTES(name) ((uintptr_t)__stop___llvm_prf_##name - (uintptr_t)__start___llvm_prf_##name)

/* Objects that are instrumented for optimization, or with counters of one byte, define this. (gold gives it an address
   where it is not defined.) */
extern COVB_HIDDEN __attribute__((weak)) const uint64_t __llvm_profile_raw_version;

extern COVB_HIDDEN struct covbuf_profile_image covb_profile_image;

/* In assembly, since C has no constant for the distance between two objects. */
__asm__(".pushsection .note.covbuf,\"a\",%note\n"
	".balign 4\n"
	".long 7, 8, 0x70726f66\n" /* COVBUF_PROFILE_NOTE_TYPE */
	".asciz \"covbuf\"\n"
	".balign 4\n"
	".long 1\n" /* COVBUF_PROFILE_VERSION */
	".long covb_profile_image - .\n"
	".popsection\n");
_Static_assert(COVBUF_PROFILE_NOTE_TYPE == 0x70726f66 && COVBUF_PROFILE_VERSION == 1, "as in the ELF note");

struct covb_found_image {
	struct covb_raw_sections sections;
	int is_program; /* else a library */
	char path[PATH_MAX];
};

/* The image's NT_GNU_BUILD_ID among the notes of one segment. One of unusual length is none. */
COVB_RAW void covb_find_build_id(const unsigned char *notes, size_t notes_bytes, size_t align, struct covb_raw_sections *s)
{
	while (notes_bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)notes;
		size_t at = sizeof(*note) + covb_raw_round_up(note->n_namesz, align);
		size_t bytes = covb_raw_round_up(at + note->n_descsz, align);

		if (bytes > notes_bytes)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !__builtin_memcmp(note + 1, "GNU", 4) &&
		    note->n_descsz <= COVB_MAX_BUILD_ID) {
			s->build_id = notes + at;
			s->build_id_bytes = note->n_descsz;
			return;
		}
		notes += bytes;
		notes_bytes -= bytes;
	}
}

/* A program's path. One that was started as an argument of the dynamic linker is not /proc/self/exe. */
COVB_RAW void covb_find_program_path(int is_dynamic, char *path)
{
	ssize_t length = -1;

	if (!is_dynamic || getauxval(AT_BASE))
		length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	if (length > 0)
		path[length] = 0;
	else if (!realpath(program_invocation_name, path))
		covb_raw_copy_text(path, PATH_MAX, program_invocation_name);
}

/* Whether a part of the image, by its address in the file, is in memory. */
COVB_RAW int covb_is_loaded(const struct dl_phdr_info *info, uintptr_t address, size_t bytes)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && covb_raw_within(address, bytes, (const void *)p->p_vaddr, p->p_memsz))
			return 1;
	}
	return 0;
}

/* dl_iterate_phdr() callback: 1 at the image that this is in. */
COVB_RAW int covb_find_in_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct covb_found_image *found = (struct covb_found_image *)arg;
	int is_dynamic = 0;

	(void)size;
	if (!covb_is_loaded(info, (uintptr_t)&covb_profile_image - info->dlpi_addr, sizeof(covb_profile_image)))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		is_dynamic |= p->p_type == PT_INTERP;
		if (p->p_type == PT_NOTE && covb_is_loaded(info, p->p_vaddr, p->p_memsz))
			covb_find_build_id((const unsigned char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz,
					   p->p_align == 8 ? 8 : 4, &found->sections);
	}
	found->is_program = !info->dlpi_name || !info->dlpi_name[0];
	if (found->is_program)
		covb_find_program_path(is_dynamic, found->path);
	else if (!realpath(info->dlpi_name, found->path))
		covb_raw_copy_text(found->path, sizeof(found->path), info->dlpi_name);
	return 1;
}

COVB_RAW void covb_find_image(struct covb_found_image *found)
{
	struct covb_raw_sections *s = &found->sections;

	__builtin_memset(found, 0, sizeof(*found));
	s->records = __start___llvm_prf_data;
	s->counters = __start___llvm_prf_cnts;
	s->bitmaps = __start___llvm_prf_bits;
	s->names = __start___llvm_prf_names;
	s->records_bytes = COVB_SECTION_BYTES(data);
	s->counters_bytes = COVB_SECTION_BYTES(cnts);
	s->bitmaps_bytes = COVB_SECTION_BYTES(bits);
	s->names_bytes = COVB_SECTION_BYTES(names);
	dl_iterate_phdr(covb_find_in_image, found);
}

#endif
