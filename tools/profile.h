/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * LLVM profiles in files of adapters/llvmprof/format.h: found, checked, grouped by image, added up, written.
 *
 * Programs go on counting meanwhile, or are killed; and the files may be anybody's work. So a file's note is read
 * once, checked against the file's size, and kept here; counters are read through a mapping that may be cut short
 * (shm/guard.h), each with one load.
 */
#ifndef COVBUF_PROFILE_H
#define COVBUF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <covbuf/segment.h>

#include "../adapters/llvmprof/format.h"

#define PROFILE_NOTE_BYTES 1024u
_Static_assert(sizeof(struct covbuf_profile_note) == PROFILE_NOTE_BYTES, "as written in files");

/* Counters stop here: LLVM's readers refuse a raw profile that has a larger one, as damaged. */
#define PROFILE_COUNTER_MAX (UINT64_C(1) << 56)

/* One profile. Everything lies within its file, as large as it was. */
struct profile_file {
	uint32_t directory;	/* in struct profiles */
	int fd;			/* of a copy; -1: it is opened when it is read */
	char *name;		/* in the directory */
	dev_t device;
	ino_t inode;
	uint64_t start;		/* of the profile in the file: they may follow each other. All offsets are from here */
	bool is_template;
	bool alone;		/* in its file */
	bool in_sum;		/* of another file */
	bool passed_over;	/* that, or it is there under two names */
	uint32_t kind, pid;
	uint64_t id, raw_version, file_bytes, counters_offset, counters_bytes, bitmaps_offset, bitmaps_bytes;
	uint64_t template_counters, template_bitmaps, started, pid_namespace, lost_processes, processes, summed_bytes;
	const char *compiler, *image, *label; /* interned */
};

/* All of one link of an image, which add up. */
struct profile_image {
	struct profile_file **files; /* with counts */
	size_t nr_files;
	struct profile_file *base; /* a whole file or a template; NULL: there is none */
	const struct profile_file *first; /* base, or a file that agrees with it */
	const char *name;	/* last part of its path */
	unsigned int major;	/* of its clang; 0: not to be seen in its name */
	uint64_t processes, lost_processes;
	size_t nr_differences;
	bool selected;
};

struct profile_directory {
	char *path;		/* with a slash at the end; empty for files named one by one */
	int fd;			/* locked, shared; AT_FDCWD */
	dev_t device;
	ino_t inode;
};

struct profiles {
	struct profile_directory *directories;
	size_t nr_directories, room_directories;
	struct profile_file *files;
	size_t nr_files, room_files;
	struct profile_file **sorted;
	struct profile_image *images;
	size_t nr_images;
	size_t nr_foreign;	/* files in directories that are none of ours */
	char *foreign;		/* the first of them, and why */
	bool incomplete;	/* something could not be read; complained */
};

/* ---- profile_note.c: what a file says of itself --------------------------------------------- */

/*
 * Reads and checks the profile that starts at out->start of a file of so many bytes.
 * Errors: -ENOENT: there is none; -EPROTO: it is damaged; -errno of a read. why says it.
 */
int profile_note_read(int fd, uint64_t file_bytes, struct profile_file *out, struct covbuf_message *why);

/* "Debian Clang 19.1.7 (3)": 19; 0: it says no such thing. */
unsigned int profile_compiler_major(const char *compiler);

/* ---- profile_read.c: which profiles there are ----------------------------------------------- */

/* A directory, whose lock it takes, or a file. Complains of what it cannot read, and sets ->incomplete. */
void profiles_add(struct profiles *profiles, const char *path);

/* A directory that is open, and locked if need be; it will be closed. */
void profiles_add_directory(struct profiles *profiles, const char *path, int fd);

/* When all were added: make the images. Complains, and sets ->incomplete, where profiles of one do not agree. */
void profiles_group(struct profiles *profiles);

void profiles_fini(struct profiles *profiles);

/* Opened, of the same size at least, and the same file as before. Errors: -errno; complained. */
int profile_open(const struct profiles *profiles, const struct profile_file *file);

/* Whether they are laid out alike, as files of one image are. */
bool profile_agrees(const struct profile_file *a, const struct profile_file *b);

/* For messages: valid until the next call. */
const char *profile_path(const struct profiles *profiles, const struct profile_file *file);

/* Whether a name has an ending of format.h's; those that begin with a dot have not. */
bool profile_name_fits(const char *name, const char *ending);

/* Whether a name is one that a profile directory's files have, complete or not. */
bool profile_name_is_ours(const char *name);

/* ---- profile_live.c -------------------------------------------------------------------------- */

/* Whether its process still counts in it, or may again. What cannot be found out counts as live. */
bool profile_is_live(const struct profiles *profiles, const struct profile_file *file);

/* ---- profile_sum.c: adding up --------------------------------------------------------------- */

struct profile_sum {
	uint64_t *counters;	/* image->first->counters_bytes */
	unsigned char *bitmaps; /* image->first->bitmaps_bytes; a multiple of 8 is allocated */
	uint64_t processes, lost_processes;
	uint64_t nr_stopped;	/* counters that came to PROFILE_COUNTER_MAX; of one so many times */
};

void profile_sum_init(struct profile_sum *sum, const struct profile_image *image);
void profile_sum_fini(struct profile_sum *sum);

/* Errors: complained; the sum is then worth nothing. */
int profile_sum_add(struct profile_sum *sum, const struct profiles *profiles, const struct profile_file *file);

/* profile_bits.c: files of cleared bits come after all others, and those that have come meanwhile last. */
bool profile_holds_cleared_bits(const char *name);
int profile_sum_add_new_bits(struct profile_sum *sum, const struct profiles *profiles, const struct profile_image *image);

/* Processes among files, sums' too. */
uint64_t profile_count_processes(struct profile_file *const *files, size_t nr);

/* ---- profile_write.c ------------------------------------------------------------------------- */

/* Appends a raw profile: the image's base with these counts. name is for complaints. Returns 0 or -errno. */
int profile_write_raw(int to, const char *name, const struct profiles *profiles, const struct profile_image *image,
		      const struct profile_sum *sum);

/* Writes a sum as a counts file, which ends with the names of what is in it. Returns 0 or -errno; says nothing. */
int profile_write_counts(int to, const struct profile_file *first, const struct profile_sum *sum, const char *names,
			 size_t names_bytes);

/* ---- profile_fold.c -------------------------------------------------------------------------- */

/*
 * Make one file of those of ended processes, of each image that has more than so many, or so much in them. Nothing is counted twice or
 * lost, whoever is killed when. Somebody else holds the directory's lock: nothing is done. Errors: -errno; complained.
 * 1: there is more to do, left so that others may read in between.
 */
int profile_fold(const char *directory, size_t more_than, uint64_t more_than_bytes);

/* ---- profile_list.c -------------------------------------------------------------------------- */

void profile_list(struct profiles *profiles, FILE *out);

/* "clang 19" or the compiler's whole name. Valid until the next call. */
const char *profile_compiler_name(const struct profile_image *image);

/* ---- profile_elf.c: the image itself --------------------------------------------------------- */

enum profile_elf {
	PROFILE_ELF_FITS,	/* as far as can be seen */
	PROFILE_ELF_MISSING,	/* it cannot be read */
	PROFILE_ELF_REBUILT,	/* it has another build ID */
	PROFILE_ELF_OTHER_CLANG, /* its objects are of another clang than its runtime; why says of which */
};

enum profile_elf profile_elf_check(const struct profiles *profiles, const struct profile_image *image,
				   struct covbuf_message *why);

/* ---- profile_llvm.c: LLVM's own tools -------------------------------------------------------- */

/* llvm-profdata of a major version. NULL: there is none; complained. */
char *profile_llvm_find(unsigned int major);

/* Index a raw profile that is open. Complains itself. Returns a STATUS_*. */
int profile_llvm_index(const char *llvm_profdata, int raw, const char *profdata);

/* A word of a command line, for a shell. */
void profile_print_word(const char *text, FILE *out);

/* What to run next. */
void profile_llvm_print_next(const char *llvm_profdata, const struct profiles *profiles, const char *profdata,
			     FILE *out);

#endif
