// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the image's file says against what its profile does: whether it is still the same link, and whether its
 * objects are of the clang that compiled its runtime, which decided the format.
 */
#include "profile.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define IDS_BYTES_OFFSET 16	/* in a raw header of any version since there are binary IDs */
#define MAX_HEAD_BYTES 4096	/* of a raw profile, with the header and some binary IDs */

/* A binary ID is its length and its bytes, at a multiple of 8 behind the header, which ends at one. */
static bool has_build_id(const char *head, size_t nr, const void *id, size_t id_bytes)
{
	uint64_t length = id_bytes;

	for (size_t at = IDS_BYTES_OFFSET + 8; at + 8 + id_bytes <= nr; at += 8)
		if (!memcmp(head + at, &length, 8) && !memcmp(head + at + 8, id, id_bytes))
			return true;
	return false;
}

/* False where profile or image have none: then nothing can be said. */
static bool is_rebuilt(const struct profiles *profiles, const struct profile_file *base, Elf *elf)
{
	char head[MAX_HEAD_BYTES];
	size_t nr = base->counters_offset < sizeof(head) ? base->counters_offset : sizeof(head);
	uint64_t ids_bytes = 0;
	const void *id;
	ssize_t id_bytes = dwelf_elf_gnu_build_id(elf, &id);
	int fd;
	bool read;

	if (id_bytes <= 0 || id_bytes > 64)
		return false;
	fd = profile_open(profiles, base);
	read = fd >= 0 && read_at(fd, base->start, head, nr);
	if (fd >= 0)
		close(fd);
	if (!read)
		return false;
	memcpy(&ids_bytes, head + IDS_BYTES_OFFSET, sizeof(ids_bytes));
	return ids_bytes && !has_build_id(head, nr, id, (size_t)id_bytes);
}

static Elf_Data *find_comment(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, strings, header.sh_name) : NULL;

		if (name && !strcmp(name, ".comment") && header.sh_type == SHT_PROGBITS)
			return elf_rawdata(section, NULL);
	}
	return NULL;
}

/* Texts of all compilers that had a part. Of libraries linked in there may be others: one has to be right. */
static bool is_of_other_clang(Elf *elf, unsigned int major, struct covbuf_message *why)
{
	const Elf_Data *comment = find_comment(elf);
	const char *text = comment ? comment->d_buf : NULL;
	bool other = false;

	for (size_t at = 0; text && at < comment->d_size;) {
		char *line = strndup(text + at, comment->d_size - at);
		unsigned int found = line ? profile_compiler_major(line) : 0;

		if (found == major) {
			free(line);
			return false;
		}
		if (found && !other)
			snprintf(why->text, sizeof(why->text),
				 "its objects are of clang %u, and the adapter in it of clang %u; link it with the one for "
				 "clang %u",
				 found, major, found);
		other |= found != 0;
		at += line ? strlen(line) + 1 : 1;
		free(line);
	}
	return other;
}

static enum profile_elf check(const struct profiles *profiles, const struct profile_image *image, Elf *elf,
			      struct covbuf_message *why)
{
	if (elf_kind(elf) != ELF_K_ELF)
		return PROFILE_ELF_MISSING;
	if (image->base && is_rebuilt(profiles, image->base, elf))
		return PROFILE_ELF_REBUILT;
	if (image->major && is_of_other_clang(elf, image->major, why))
		return PROFILE_ELF_OTHER_CLANG;
	return PROFILE_ELF_FITS;
}

enum profile_elf profile_elf_check(const struct profiles *profiles, const struct profile_image *image,
				   struct covbuf_message *why)
{
	int fd = open(image->first->image, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum profile_elf found = PROFILE_ELF_MISSING;
	struct stat st;
	Elf *elf;

	if (fd < 0)
		return found;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		elf_version(EV_CURRENT);
		elf = elf_begin(fd, ELF_C_READ, NULL);
		if (elf)
			found = check(profiles, image, elf, why);
		elf_end(elf);
	}
	close(fd);
	return found;
}
