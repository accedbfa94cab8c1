/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the counters and bitmaps of an image that is built with -fprofile-instr-generate in a file that is a raw
 * profile at every moment: they are mapped from it, over the image's own sections. format.h has the files.
 *
 * Linked into each such image, program or library, in place of compiler-rt's runtime. Compiled by the image's own clang,
 * which knows the format.
 *
 *	start: the image is loaded; its file is made, or found again, and mapped
 *	in_child: a fork child; a file of its own is mapped
 *	stop: the image goes; its file can be used again
 *
 * Where a file cannot be had, one line says why, and counters stay in the process.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if !defined(__clang__)
#error "the image's own clang compiles this: the format is that of its <profile/InstrProfData.inc>"
#endif
/* Whatever flags the image's objects are compiled with, this is not instrumented. */
#pragma clang attribute push(__attribute__((no_profile_instrument_function)), apply_to = function)
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "files.h"
#include "image.h"
#include "raw.h"

#define START_PRIORITY 101

COVB_HIDDEN __attribute__((used)) struct covbuf_profile_image covb_profile_image = { .version = COVBUF_PROFILE_VERSION };

static struct covb_found_image image;
static struct covb_raw_layout whole;		/* of the image's whole files and template */
static struct covbuf_profile_note private_note; /* while there is no file */
static char *note_page;				/* of the file; after a loss, of the last ancestor's */
static size_t page_bytes;
static char directory_path[PATH_MAX];
static char stem[COVB_NAME_BYTES - 64];

static struct covbuf_profile_note *note_in(char *page)
{
	return (struct covbuf_profile_note *)(page + page_bytes) - 1;
}

/* What to do about it. */
static const char *advice(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return "make room there";
	case -EFBIG:
		return "raise the limit of file sizes (ulimit -f)";
	case -ENOENT:
		return "make the directory above it";
	case -EPERM:
		return "name a directory of your own, where others may not write";
	case -EMFILE:
	case -ENFILE:
		return "raise the limit of open files (ulimit -n)";
	default:
		return "let COVBUF_PROFILE name a directory of your own";
	}
}

static const char *error_text(int error)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
	return strerrordesc_np(-error); /* strerror() may allocate */
#else
	return strerror(-error);
#endif
}

static void complain(const char *what, const char *why, const char *to_do)
{
	char line[1024];
	struct covb_text text = covb_text_in(line, sizeof(line) - 1);
	ssize_t ignored;

	covb_text_add(&text, "covbuf: counts of ");
	covb_text_add(&text, private_note.image);
	covb_text_add(&text, " stay private: ");
	covb_text_add(&text, what);
	covb_text_add(&text, why);
	covb_text_add(&text, "; ");
	covb_text_add(&text, to_do);
	text.last++;
	covb_text_add(&text, "\n");
	ignored = write(STDERR_FILENO, line, (size_t)(text.at - line));
	(void)ignored;
}

static void complain_of_file(int error)
{
	char what[PATH_MAX + 64];
	struct covb_text text = covb_text_in(what, sizeof(what));

	covb_text_add(&text, directory_path);
	covb_text_add(&text, ": ");
	complain(what, error_text(error), advice(error));
}

static void block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

/* Whether the linker script was there, and knew this machine's pages. */
static int check_pages(void)
{
	uintptr_t ends = (uintptr_t)__start___llvm_prf_cnts | (uintptr_t)__stop___llvm_prf_cnts |
			 (uintptr_t)__start___llvm_prf_bits | (uintptr_t)__stop___llvm_prf_bits;

	if (ends % page_bytes == 0)
		return 0;
	if (ends % COVBUF_PROFILE_ALIGN == 0)
		complain("", "its sections are laid out for smaller pages", "link with -Wl,-z,max-page-size=65536");
	else
		complain("", "it is linked without covbuf's linker script", "pkg-config --libs covbuf-llvmprof-VERSION names it");
	return -1;
}

/* Maps a part of the file over a section, with what the section has added to it. */
static int map_section(int fd, uint64_t offset, void *section, size_t bytes, int counts)
{
	uint64_t *from = (uint64_t *)section, *to;

	if (bytes == 0)
		return 0;
	to = (uint64_t *)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (to == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		if (from[i])
			to[i] = counts ? to[i] + from[i] : to[i] | from[i];
	if (mremap(to, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, section) == MAP_FAILED)
		return -errno;
	return 0;
}

static int map_sections(int fd, const struct covbuf_profile_note *note)
{
	int error = map_section(fd, note->counters_offset, __start___llvm_prf_cnts, note->counters_bytes, 1);

	return error ? error : map_section(fd, note->bitmaps_offset, __start___llvm_prf_bits, note->bitmaps_bytes, 0);
}

static int map_note(int fd, const struct covbuf_profile_note *note)
{
	void *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)(note->counters_offset - page_bytes));

	if (page == MAP_FAILED)
		return -errno;
	note_page = (char *)page;
	return 0;
}

/* All of a whole file that is not zero, but for counters and bitmaps. */
static int fill_whole(int fd, const struct covbuf_profile_note *note)
{
	const struct covb_raw_sections *s = &image.sections;
	char head[sizeof(struct covb_raw_header) + 8 + 64] __attribute__((aligned(8))) = { 0 };
	int error;

	covb_raw_write_head(head, s, &whole);
	error = covb_write_at(fd, head, whole.records_offset, 0);
	if (!error)
		error = covb_write_at(fd, s->records, s->records_bytes, whole.records_offset);
	if (!error)
		error = covb_write_at(fd, note, sizeof(*note), whole.note_offset);
	if (!error)
		error = covb_write_at(fd, s->names, s->names_bytes, whole.names_offset);
	return error;
}

static int start_whole(int directory)
{
	char name[COVB_NAME_BYTES], template_name[COVB_NAME_BYTES];
	struct covb_text text = covb_text_in(template_name, sizeof(template_name));
	int fd = covb_make_file(directory, stem, private_note.pid, whole.file_bytes, name);
	int error;

	if (fd < 0)
		return fd;
	error = fill_whole(fd, &private_note);
	if (!error)
		error = map_note(fd, &private_note);
	if (!error)
		error = covb_publish(directory, name, stem, private_note.pid, ".profraw");
	if (!error)
		error = map_sections(fd, &private_note);
	if (error) {
		unlinkat(directory, name, 0);
	} else {
		covb_text_add(&text, stem);
		covb_text_add(&text, ".template");
		linkat(directory, name, directory, template_name, 0);
	}
	close(fd);
	return error;
}

static int start_file(void)
{
	int directory = covb_open_directory(directory_path);
	sigset_t before;
	int error;

	if (directory < 0)
		return directory;
	private_note.pid = (uint32_t)getpid();
	private_note.started = covb_process_started();
	private_note.in_use = 1;
	block_signals(&before);
	error = start_whole(directory);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(directory);
	private_note.in_use = 0;
	return error;
}

/* What is known of the image, with a file or without. */
static int describe(void)
{
	const struct covb_raw_sections *s = &image.sections;
	const char *wrong;

	covb_find_image(&image);
	if (s->records_bytes == 0)
		return -1;
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	covb_raw_lay_out(s, page_bytes, &whole);
	wrong = covb_raw_check(s);
	if (wrong) {
		covb_raw_copy_text(private_note.image, sizeof(private_note.image), image.path);
		if (secure_getenv("COVBUF_PROFILE"))
			complain("", wrong, "compile all of it, and covbuf's runtime, by the same clang");
		return -1;
	}
	covb_raw_fill_note(&private_note, s, &whole, image.path);
	covb_name_stem(stem, sizeof(stem), image.path, private_note.id);
	covb_profile_image.counters = __start___llvm_prf_cnts;
	covb_profile_image.counters_bytes = s->counters_bytes;
	covb_profile_image.bitmaps = __start___llvm_prf_bits;
	covb_profile_image.bitmaps_bytes = s->bitmaps_bytes;
	covb_profile_image.note = &private_note;
	return 0;
}

__attribute__((constructor(START_PRIORITY))) static void start(void)
{
	const char *asked = secure_getenv("COVBUF_PROFILE");
	int error;

	if (describe() < 0 || !asked || !*asked || check_pages() < 0)
		return;
	covb_raw_copy_text(directory_path, sizeof(directory_path), asked);
	error = covb_make_directory(asked, directory_path);
	if (!error)
		error = start_file();
	if (error) {
		complain_of_file(error);
		return;
	}
	covb_profile_image.directory = directory_path;
	covb_profile_image.note = note_in(note_page);
	covb_profile_image.mapped = 1;
}

/*
 * clang's driver asks for this, with -fprofile-instr-generate at the link, to have compiler-rt's runtime from its
 * archive.
 */
COVB_HIDDEN int __llvm_profile_runtime;

#pragma clang attribute pop
#pragma clang attribute pop
