/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One engine in a process: an image that holds one carries an ELF note, and each engine counts the
 * notes before it starts.
 *
 * Where the program exports libcovbuf's symbols, a libcovbuf.so that some library needs finds its own
 * replaced by the program's, and stays off without a word. Where it does not, there really are two,
 * and the later one says so.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

#define NOTE_NAME "covbuf"
#define NOTE_TYPE 1

static const struct {
	ElfW(Nhdr) header;
	char name[8];
	uint32_t abi;
} note __attribute__((used, section(".note.covbuf"), aligned(4))) = {
	{ sizeof(NOTE_NAME), sizeof(uint32_t), NOTE_TYPE }, NOTE_NAME, COVBUF_ABI,
};

struct search {
	const char *first;	/* name of the first image with an engine */
	bool first_is_ours;
	uint32_t nr;
};

static bool has_note(const struct dl_phdr_info *info, const ElfW(Phdr) *phdr, const void **where)
{
	const char *p = (const char *)(info->dlpi_addr + phdr->p_vaddr), *end = p + phdr->p_memsz;

	while ((size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)p;
		size_t name_bytes = (n->n_namesz + 3ul) & ~3ul, desc_bytes = (n->n_descsz + 3ul) & ~3ul;

		if (name_bytes + desc_bytes > (size_t)(end - p) - sizeof(*n))
			return false;
		if (n->n_type == NOTE_TYPE && n->n_namesz == sizeof(NOTE_NAME) &&
		    !memcmp(n + 1, NOTE_NAME, sizeof(NOTE_NAME))) {
			*where = n;
			return true;
		}
		p += sizeof(*n) + name_bytes + desc_bytes;
	}
	return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	const void *where;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		/* notes aligned to 8 are other people's */
		if (info->dlpi_phdr[i].p_type != PT_NOTE || info->dlpi_phdr[i].p_align > 4 ||
		    !has_note(info, &info->dlpi_phdr[i], &where))
			continue;
		if (!search->nr++) {
			search->first = info->dlpi_name[0] ? info->dlpi_name : "the program";
			search->first_is_ours = where == &note;
		}
		break;
	}
	return 0;
}

/* Interposed: what the name is bound to is not what this image holds. */
COVBUF_PUBLIC extern const uint32_t covbuf_engine_abi;
COVBUF_PUBLIC const uint32_t covbuf_engine_abi = COVBUF_ABI;
extern COVBUF_HIDDEN const uint32_t covb_engine_abi_here __attribute__((alias("covbuf_engine_abi")));

bool covb_engine_is_the_only(void)
{
	struct search search = { 0 };
	const uint32_t *bound = &covbuf_engine_abi;

	__asm__("" : "+r"(bound)); /* the address is the dynamic linker's choice: no folding */
	if (bound != &covb_engine_abi_here)
		return false;
	dl_iterate_phdr(look, &search);
	if (search.nr <= 1 || search.first_is_ours)
		return true;
	fprintf(stderr,
		"libcovbuf: a second engine in process %d, after the one in %s: this one stays off. "
		"Link the library once, and let the program export it (-Wl,--export-dynamic-symbol=covbuf_*).\n",
		(int)getpid(), search.first);
	return false;
}
