/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the counters and bitmaps of an image that is built with -fprofile-instr-generate in a file that is a raw
 * profile at every moment: they are mapped from it, over the image's own sections. format.h has the files.
 *
 * Linked into each such image, program or library, in place of compiler-rt's runtime. Compiled by the image's own clang,
 * which knows the format.
 *
 *	start	the image is loaded: its file is made, or found again, and mapped
 *	child	a fork child: a file of its own is mapped, from zero
 *	stop	the image goes: its file can be used again
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
#pragma clang attribute push(__attribute__((no_instrument_function)), apply_to = function)
#pragma clang attribute push(__attribute__((disable_sanitizer_instrumentation)), apply_to = function)
#pragma clang attribute push(__attribute__((no_sanitize("all"))), apply_to = function)
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "files.h"
#include "image.h"
#include "interface.h"
#include "raw.h"
#include "report.h"

#pragma weak covbuf_profile_image_opened
#pragma weak covbuf_profile_image_closed

#define START_PRIORITY 101

/* For linkers that cannot read the script. In the last object of a link: both sections begin and end at pages. */
#if defined(COVB_LLVMPROF_LAST)
#if defined(__powerpc64__)
#define COVB_PAGE_SHIFT "16"
#else
#define COVB_PAGE_SHIFT "12"
#endif
__asm__(".pushsection __llvm_prf_cnts,\"aw\",@progbits\n"
	".p2align " COVB_PAGE_SHIFT "\n"
	".popsection\n"
	".pushsection __llvm_prf_bits,\"aw\",@progbits\n"
	".p2align " COVB_PAGE_SHIFT "\n"
	".popsection\n");
#endif

COVB_HIDDEN __attribute__((used)) struct covbuf_profile_image covb_profile_image;

static struct covb_found_image image;
static struct covbuf_profile_note private_note; /* the image's, and while there is no file this process's */
static struct covb_raw_layout whole;		/* of the image's whole files and its template */
static int is_described;
static char *note_page;				/* in the file that is mapped; after a loss, in an ancestor's */
static size_t page_bytes;
static int counts_form;
static int has_started; /* with a file: fork children get one too */
static char directory_path[PATH_MAX];
static char stem[COVB_NAME_BYTES - 64];

static void block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

/* The notes of this process's files. */
static struct covbuf_profile_note whole_note(void)
{
	struct covbuf_profile_note note = private_note;

	note.in_use = 1;
	return note;
}

static struct covbuf_profile_note counts_note(void)
{
	struct covbuf_profile_note note = whole_note();

	note.kind = COVBUF_PROFILE_COUNTS;
	note.counters_offset = page_bytes;
	note.bitmaps_offset = note.counters_offset + note.counters_bytes;
	note.file_bytes = note.bitmaps_offset + note.bitmaps_bytes;
	return note;
}

static struct covbuf_profile_note *note_in(char *page)
{
	return (struct covbuf_profile_note *)(page + page_bytes) - 1;
}

/* What an image counted before this runs, in constructors and IFUNC resolvers, is added to what its file has. */
static void add_early(void *section, const void *early, size_t bytes, int adds_up)
{
	const uint64_t *from = (const uint64_t *)early;
	uint64_t *to = (uint64_t *)section;

	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		if (from[i])
			to[i] = adds_up ? to[i] + from[i] : to[i] | from[i];
}

static void *map_part(int fd, uint64_t offset, size_t bytes)
{
	return bytes ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset) : NULL;
}

static void unmap_part(void *part, size_t bytes)
{
	if (part && part != MAP_FAILED)
		munmap(part, bytes);
}

/* The part of the file takes the place of the section. */
static int move_part(void *part, size_t bytes, void *section)
{
	return part && mremap(part, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, section) != section ? -errno : 0;
}

/*
 * Maps the file's parts over the sections, with what these have. Elsewhere first: a mapping that fails may leave a hole,
 * and none of the sections is to be shared then. Context: no signals, no other threads in the image.
 */
static int map_sections(int fd, const struct covbuf_profile_note *note)
{
	void *counters = map_part(fd, note->counters_offset, note->counters_bytes);
	void *bitmaps = map_part(fd, note->bitmaps_offset, note->bitmaps_bytes);
	int error = -errno;

	if (counters == MAP_FAILED || bitmaps == MAP_FAILED) {
		unmap_part(counters, note->counters_bytes);
		unmap_part(bitmaps, note->bitmaps_bytes);
		return error;
	}
	add_early(counters, __start___llvm_prf_cnts, note->counters_bytes, 1);
	add_early(bitmaps, __start___llvm_prf_bits, note->bitmaps_bytes, 0);
	error = move_part(counters, note->counters_bytes, __start___llvm_prf_cnts);
	return error ? error : move_part(bitmaps, note->bitmaps_bytes, __start___llvm_prf_bits);
}

/* The same in a fork child, which has no counts yet. */
static int map_zeros(int fd, const struct covbuf_profile_note *note)
{
	void *counters = __start___llvm_prf_cnts, *bitmaps = __start___llvm_prf_bits;
	int access = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;

	if (mmap(counters, note->counters_bytes, access, flags, fd, (off_t)note->counters_offset) != counters ||
	    (note->bitmaps_bytes &&
	     mmap(bitmaps, note->bitmaps_bytes, access, flags, fd, (off_t)note->bitmaps_offset) != bitmaps))
		return -errno;
	return 0;
}

/* Maps a file of this process: sections, and the page that ends with its note. */
static int use_file(int fd, const struct covbuf_profile_note *note,
		    int (*map)(int fd, const struct covbuf_profile_note *note))
{
	void *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)(note->counters_offset - page_bytes));
	int error = page == MAP_FAILED ? -errno : map(fd, note);

	if (!error) {
		if (note_page)
			munmap(note_page, page_bytes);
		note_page = (char *)page;
		covb_profile_image.note = note_in(note_page);
		covb_profile_image.mapped = 1;
	} else if (page != MAP_FAILED) {
		munmap(page, page_bytes);
	}
	return error;
}

/* All of a raw profile that is not zero, but for counters and bitmaps. */
static int fill_whole(int fd, const struct covbuf_profile_note *note)
{
	const struct covb_raw_sections *s = &image.sections;
	uint64_t head[(sizeof(struct covb_raw_header) + 8 + COVB_MAX_BUILD_ID) / 8] = { 0 };
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

/* A new raw profile, under a name that readers pass over. */
static int make_whole(int directory, const struct covbuf_profile_note *note, char *name)
{
	int fd = covb_make_file(directory, stem, note->pid, note->file_bytes, name);
	int error;

	if (fd < 0)
		return fd;
	error = fill_whole(fd, note);
	if (!error)
		return fd;
	unlinkat(directory, name, 0);
	close(fd);
	return error;
}

/* Makes the template if there is none: of @from, a whole file, where files may have two names. */
static int have_template(int directory, const char *from)
{
	char template_name[COVB_NAME_BYTES], name[COVB_NAME_BYTES];
	struct covb_text text = covb_text_in(template_name, sizeof(template_name));
	int fd, error;

	covb_text_add(&text, stem);
	covb_text_add(&text, ".template");
	if (from && (linkat(directory, from, directory, template_name, 0) == 0 || errno == EEXIST))
		return 0;
	if (faccessat(directory, template_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	fd = make_whole(directory, &private_note, name);
	if (fd < 0)
		return fd;
	close(fd);
	error = covb_move_file(directory, name, template_name);
	if (error)
		unlinkat(directory, name, 0);
	return error == -EEXIST ? 0 : error;
}

static int make_template(struct covbuf_profile_image *this_image, int directory)
{
	(void)this_image;
	return have_template(directory, NULL);
}

static int start_whole(int directory)
{
	const struct covbuf_profile_note note = whole_note();
	char name[COVB_NAME_BYTES];
	int fd = make_whole(directory, &note, name);
	int error;

	if (fd < 0)
		return fd;
	error = covb_publish(directory, name, stem, &note, ".profraw");
	if (!error)
		error = use_file(fd, &note, map_sections);
	if (error)
		unlinkat(directory, name, 0);
	else
		have_template(directory, name); /* failing that, this file is there in its place */
	close(fd);
	return error;
}

static int start_counts(int directory, int (*map)(int fd, const struct covbuf_profile_note *note))
{
	const struct covbuf_profile_note note = counts_note();
	char name[COVB_NAME_BYTES];
	int error = have_template(directory, NULL);
	int fd = error ? error : covb_make_file(directory, stem, note.pid, note.file_bytes, name);

	if (fd < 0)
		return fd;
	error = covb_write_at(fd, &note, sizeof(note), note.counters_offset - sizeof(note));
	if (!error)
		error = covb_publish(directory, name, stem, &note, ".profcnt");
	if (!error)
		error = use_file(fd, &note, map);
	if (error)
		unlinkat(directory, name, 0);
	close(fd);
	return error;
}

/* Whether a file is the one that @note describes, of this process, and not in use. */
static int is_own(int fd, const struct covbuf_profile_note *note)
{
	struct covbuf_profile_note found;
	struct stat status;

	if (!note->started || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    status.st_nlink == 0 || (uint64_t)status.st_size != note->file_bytes)
		return 0;
	if (pread(fd, &found, sizeof(found), (off_t)(note->counters_offset - sizeof(found))) != sizeof(found))
		return 0;
	found.lost_processes = 0;
	if (found.in_use)
		return 0;
	found.in_use = 1;
	return memcmp(&found, note, sizeof(found)) == 0;
}

/*
 * Goes on with a file of this process. libcovbuf sees it as it was left, before what was counted since is added: so
 * that is put aside, and is not in the sections when they are mapped.
 */
static int map_again(int fd, const struct covbuf_profile_note *note)
{
	size_t counters_bytes = note->counters_bytes, bitmaps_bytes = note->bitmaps_bytes;
	char *early = (char *)mmap(NULL, counters_bytes + bitmaps_bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (early == MAP_FAILED)
		return -errno;
	memcpy(early, __start___llvm_prf_cnts, counters_bytes);
	memcpy(early + counters_bytes, __start___llvm_prf_bits, bitmaps_bytes);
	memset(__start___llvm_prf_cnts, 0, counters_bytes);
	memset(__start___llvm_prf_bits, 0, bitmaps_bytes);
	error = use_file(fd, note, map_sections);
	if (!error) {
		note_in(note_page)->in_use = 1;
		if (covbuf_profile_image_opened)
			covbuf_profile_image_opened(&covb_profile_image);
	}
	add_early(__start___llvm_prf_cnts, early, counters_bytes, 1);
	add_early(__start___llvm_prf_bits, early + counters_bytes, bitmaps_bytes, 0);
	munmap(early, counters_bytes + bitmaps_bytes);
	return error;
}

/* start: a library that was here before goes on with its file. -ENOENT: it was not. */
static int start_again(int directory, const struct covbuf_profile_note *note, const char *suffix)
{
	char name[COVB_NAME_BYTES];

	for (unsigned int n = 0; n < COVB_MAX_NUMBER; n++) {
		int fd, error = -ENOENT;

		covb_name_file(name, "", stem, note->pid, covb_number(n, note), suffix);
		fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			break;
		if (fd < 0)
			continue;
		if (is_own(fd, note))
			error = map_again(fd, note);
		close(fd);
		if (error != -ENOENT)
			return error;
	}
	return -ENOENT;
}

/* The image's file in its directory, whatever it is. */
static int start_file(int directory)
{
	const struct covbuf_profile_note note = whole_note(), counts = counts_note();
	int error = -ENOENT;

	if (!image.is_program) {
		error = start_again(directory, &note, ".profraw");
		if (error == -ENOENT)
			error = start_again(directory, &counts, ".profcnt");
	}
	if (error != -ENOENT)
		return error;
	if (!counts_form)
		return start_whole(directory);
	return start_counts(directory, map_sections);
}

static void map_nothing(void *section, size_t bytes)
{
	if (bytes)
		mmap(section, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* The child does not count for its parent. An ancestor's file knows of it; the user hears of the first. */
static void child_is_lost(int error)
{
	map_nothing(__start___llvm_prf_cnts, private_note.counters_bytes);
	map_nothing(__start___llvm_prf_bits, private_note.bitmaps_bytes);
	covb_profile_image.note = &private_note;
	covb_profile_image.mapped = 0;
	if (!note_page || __atomic_fetch_add(&note_in(note_page)->lost_processes, 1, __ATOMIC_RELAXED) == 0)
		covb_complain_of_file(image.path, directory_path, error);
}

/*
 * pthread_atfork(). Context: the only thread, of a process that may have had others: async-signal-safe calls. A
 * signal handler that runs before this counts for the parent.
 */
static void child(void)
{
	int directory, error, errno_before = errno;
	sigset_t before;

	if (!has_started)
		return;
	block_signals(&before);
	covb_note_process(&private_note);
	directory = covb_open_directory(directory_path);
	error = directory < 0 ? directory : start_counts(directory, map_zeros);
	if (directory >= 0)
		close(directory);
	if (error)
		child_is_lost(error);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = errno_before; /* fork() may be a signal handler's */
}

/* Other uses that the compiler has for these sections, and objects of other compilers. */
static const char *check_format(const char **to_do)
{
	*to_do = "compile it with -fprofile-instr-generate -fcoverage-mapping";
	if (&__llvm_profile_raw_version && GET_VERSION(__llvm_profile_raw_version) == INSTR_PROF_RAW_VERSION &&
	    __llvm_profile_raw_version & VARIANT_MASKS_ALL)
		return "it is instrumented for optimization, or has counters of one byte";
	*to_do = "compile all of it by one version of clang, link with that version's script, and profile no values";
	return covb_raw_check(&image.sections);
}

/* Whether the linker script was there, and knew this machine's pages. */
static const char *check_pages(const char **to_do)
{
	uintptr_t ends = (uintptr_t)__start___llvm_prf_cnts | (uintptr_t)__stop___llvm_prf_cnts |
			 (uintptr_t)__start___llvm_prf_bits | (uintptr_t)__stop___llvm_prf_bits;

	*to_do = "link with -Wl,-z,max-page-size=65536";
	if (ends % page_bytes && ends % COVBUF_PROFILE_ALIGN == 0)
		return "its sections are made for smaller pages than this system's";
	*to_do = "add what pkg-config --libs covbuf-llvmprof-" COVB_CLANG_MAJOR " prints to the link (with gold or mold "
		 "what --variable=last prints, as its last object)";
	return ends % page_bytes ? "it was linked without covbuf's linker script" : NULL;
}

/* What is known of the image, with a file or without: 0, or it is no image with a profile. */
static int describe(const char **wrong, const char **to_do)
{
	const struct covb_raw_sections *s = &image.sections;

	covb_find_image(&image);
	if (s->records_bytes == 0)
		return -1;
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	covb_raw_copy_text(private_note.image, sizeof(private_note.image), image.path);
	*wrong = check_format(to_do);
	if (*wrong)
		return 0;
	covb_raw_lay_out(s, page_bytes, &whole);
	covb_raw_fill_note(&private_note, s, &whole, image.path);
	covb_name_stem(stem, sizeof(stem), image.path, private_note.id);
	private_note.pid = (uint32_t)getpid();
	covb_profile_image.counters = __start___llvm_prf_cnts;
	covb_profile_image.counters_bytes = s->counters_bytes;
	covb_profile_image.bitmaps = __start___llvm_prf_bits;
	covb_profile_image.bitmaps_bytes = s->bitmaps_bytes;
	covb_profile_image.note = &private_note;
	covb_profile_image.make_template = make_template;
	is_described = 1;
	*wrong = check_pages(to_do);
	return 0;
}

static int is_form_known(void)
{
	const char *form = secure_getenv("COVBUF_PROFILE_FORM");

	counts_form = form && strcmp(form, "counts") == 0;
	return counts_form || !form || !*form || strcmp(form, "whole") == 0;
}

static int start_in_directory(void)
{
	int directory = covb_open_directory(directory_path);
	sigset_t before;
	int error;

	if (directory < 0)
		return directory;
	block_signals(&before);
	covb_note_process(&private_note);
	error = start_file(directory);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(directory);
	return error;
}

static void start_as_asked(void)
{
	const char *asked = secure_getenv("COVBUF_PROFILE");
	const char *wrong = NULL, *to_do = NULL;
	int error;

	if (describe(&wrong, &to_do) < 0 || !asked || !*asked)
		return;
	if (!wrong && !is_form_known()) {
		wrong = "COVBUF_PROFILE_FORM names no form of files";
		to_do = "let it be counts, or whole";
	}
	if (wrong) {
		covb_complain(image.path, "", wrong, to_do);
		return;
	}
	error = covb_make_directory(asked, directory_path);
	if (error) {
		covb_raw_copy_text(directory_path, sizeof(directory_path), asked);
	} else {
		covb_profile_image.directory = directory_path;
		error = -pthread_atfork(NULL, NULL, child);
	}
	if (!error)
		error = start_in_directory();
	has_started = !error;
	if (error)
		covb_complain_of_file(image.path, directory_path, error);
}

__attribute__((constructor(START_PRIORITY))) static void start(void)
{
	start_as_asked();
	/* release: libcovbuf in another thread, which sees it, sees all else (images.c) */
	if (is_described)
		__atomic_store_n(&covb_profile_image.version, COVBUF_PROFILE_VERSION, __ATOMIC_RELEASE);
}

/* At exit and at dlclose(). What still runs of the image after this is counted in the file. */
__attribute__((destructor(START_PRIORITY))) static void stop(void)
{
	if (covb_profile_image.version && covbuf_profile_image_closed)
		covbuf_profile_image_closed(&covb_profile_image);
	if (!note_page)
		return;
	covb_profile_image.note = &private_note;
	if (covb_profile_image.mapped) /* else it is an ancestor's */
		note_in(note_page)->in_use = 0;
	munmap(note_page, page_bytes);
	note_page = NULL;
}

#pragma clang attribute pop
#pragma clang attribute pop
#pragma clang attribute pop
#pragma clang attribute pop
#pragma clang attribute pop
