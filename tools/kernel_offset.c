// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The offset of the kernel, which KCOV subtracts from every address that it records, modules' too.
 *
 * covbuf.ko tells it. Elsewhere the kernel's notes for crash dumps do, which /proc/kcore begins with; and where
 * there is no such file, x86-64 kernels are linked at one address as good as always, so that _stext says it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "kernel_map.h"

#define X86_LINKED 0xffffffff81000000ull /* __START_KERNEL_map + CONFIG_PHYSICAL_START's default */
#define X86_ALIGN (2ull << 20)		 /* a random offset is a multiple of it */
#define X86_MAX_OFFSET (1ull << 30)
#define MAX_NOTES_BYTES 65536

static int open_below(const char *root, const char *path)
{
	char *whole = must_printf("%s%s", root, path);
	int fd = open(whole, O_RDONLY | O_CLOEXEC);

	free(whole);
	return fd;
}

static bool ask_covbuf(const char *root, uint64_t *offset)
{
	char text[64] = "", *end;
	int fd = open_below(root, "/sys/kernel/debug/covbuf/kaslr_offset");
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	errno = 0;
	*offset = strtoull(text, &end, 16);
	return end != text && !errno;
}

#if defined(__powerpc64__)
/* It moves, and KCOV does not subtract it: that is for CONFIG_RANDOMIZE_BASE, which server kernels have not. */
static bool guess(const char *root, uint64_t text_start, uint64_t *offset)
{
	(void)root;
	(void)text_start;
	*offset = 0;
	return true;
}
#else
/* Find "KERNELOFFSET=..." in notes, of which one is a text of many lines. */
static bool find_offset(const char *notes, size_t bytes, uint64_t *offset)
{
	static const char key[] = "KERNELOFFSET=";
	const char *at = memmem(notes, bytes, key, sizeof(key) - 1);
	char *end;

	if (!at)
		return false;
	*offset = strtoull(at + sizeof(key) - 1, &end, 16);
	return *end == '\n' || !*end;
}

/* The first notes are small; the rest of the file is all of the memory. */
static bool ask_kcore(const char *root, uint64_t *offset)
{
	char *notes = must_alloc(MAX_NOTES_BYTES + 1);
	int fd = open_below(root, "/proc/kcore");
	Elf64_Ehdr header;
	bool found = false;

	if (fd >= 0 && pread(fd, &header, sizeof(header), 0) == sizeof(header) && !memcmp(header.e_ident, ELFMAG, SELFMAG)) {
		for (unsigned int i = 0; i < header.e_phnum && !found; i++) {
			Elf64_Phdr part;
			size_t want;
			ssize_t n;

			if (pread(fd, &part, sizeof(part), (off_t)(header.e_phoff + i * sizeof(part))) != sizeof(part))
				break;
			if (part.p_type != PT_NOTE)
				continue;
			want = part.p_filesz < MAX_NOTES_BYTES ? part.p_filesz : MAX_NOTES_BYTES;
			n = pread(fd, notes, want, (off_t)part.p_offset);
			if (n > 0) {
				notes[n] = 0;
				found = find_offset(notes, (size_t)n, offset);
			}
		}
	}
	if (fd >= 0)
		close(fd);
	free(notes);
	return found;
}

static bool guess(const char *root, uint64_t text_start, uint64_t *offset)
{
	uint64_t moved = text_start - X86_LINKED;

	if (ask_kcore(root, offset))
		return true;
	if (text_start < X86_LINKED || moved >= X86_MAX_OFFSET || moved % X86_ALIGN)
		return false;
	*offset = moved;
	return true;
}
#endif

int kernel_offset(const char *root, uint64_t text_start, uint64_t *offset)
{
	return ask_covbuf(root, offset) || guess(root, text_start, offset) ? 0 : -ENOENT;
}
