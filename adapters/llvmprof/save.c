/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files of counts that libcovbuf makes in a profile directory: differences, and the bits that are cleared in the
 * process's bitmaps. Pages in which nothing was counted are holes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <covbuf/atomic.h>

#include "../../shm/shm.h"
#include "files.h"
#include "points.h"

#define RUN_BYTES 65536 /* pages that follow each other are written at once */

static uint64_t round_up(uint64_t nr_bytes, uint64_t to)
{
	return (nr_bytes + to - 1) / to * to;
}

/* ---- one file -------------------------------------------------------------------------------- */

struct file {
	int directory, fd;
	char stem[COVB_NAME_BYTES - 64], name[COVB_NAME_BYTES];
	struct covbuf_profile_note note;
};

static void describe(struct file *file, const struct covb_profile_about *about, enum covbuf_profile_kind kind,
		     const char *label)
{
	struct covbuf_profile_note *note = &file->note;

	*note = about->note;
	note->kind = kind;
	note->in_use = 0;
	note->lost_processes = note->processes = note->summed_bytes = 0;
	note->counters_offset = COVBUF_PROFILE_ALIGN;
	note->bitmaps_offset =
		round_up(note->counters_offset + note->counters_bytes, (uint64_t)sysconf(_SC_PAGESIZE));
	note->file_bytes = round_up(note->bitmaps_offset + note->bitmaps_bytes, COVBUF_PROFILE_ALIGN);
	memset(note->label, 0, sizeof(note->label));
	memcpy(note->label, label, strlen(label));
	covb_name_stem(file->stem, sizeof(file->stem), note->image, note->id);
}

/* Of the note and holes. */
static int make(struct file *file)
{
	const struct covbuf_profile_note *note = &file->note;
	struct rlimit limit;

	/* Going beyond would be a SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < note->file_bytes)
		return -EFBIG;
	file->fd = covb_make_file(file->directory, file->stem, note->pid, note->counters_offset, file->name);
	if (file->fd < 0)
		return file->fd;
	if (ftruncate(file->fd, (off_t)note->file_bytes))
		return -errno;
	return covb_write_at(file->fd, note, sizeof(*note), note->counters_offset - sizeof(*note));
}

/* Its name, with the first number from *number on that is free. */
static int publish(struct file *file, const char *letter, uint64_t *number)
{
	char to[COVB_NAME_BYTES], prefix[COVB_NAME_BYTES];
	int err;

	snprintf(prefix, sizeof(prefix), "%s.%u.%s", file->stem, file->note.pid, letter);
	do {
		uint64_t n = covb_fetch_add(number, 1);

		if ((size_t)snprintf(to, sizeof(to), "%s%llu.profcnt", prefix, (unsigned long long)n) >= sizeof(to))
			return -ENAMETOOLONG;
		err = covb_move_file(file->directory, file->name, to);
	} while (err == -EEXIST);
	return err;
}

static int finish(struct file *file, int err)
{
	if (file->fd >= 0 && err)
		unlinkat(file->directory, file->name, 0);
	if (file->fd >= 0)
		close(file->fd);
	close(file->directory);
	return err;
}

static int say(struct covbuf_message *why, int err, const char *path, const struct covb_profile_about *about)
{
	if (err == -EPERM)
		return covb_say(why, err, "%s is somebody else's, or anybody may remove files in it: name a "
				"directory of your own", path);
	if (err == -ESTALE)
		return covb_say(why, err, "%s was closed before its template was in %s: save a difference there "
				"before, or set COVBUF_PROFILE to it", about->note.image, path);
	return covb_say(why, err, "cannot make a file for the counts of %s in %s: %s", about->note.image, path,
			strerror(-err));
}

/* ---- what was gained ------------------------------------------------------------------------- */

/* Words that go to rising offsets of a file; those between them are 0. */
struct run {
	int fd;
	uint64_t begin, end; /* whole pages of the file */
	uint64_t words[RUN_BYTES / sizeof(uint64_t)];
};

static int write_run(struct run *run)
{
	return covb_write_at(run->fd, run->words, run->end - run->begin, run->begin);
}

static int put(struct run *run, uint64_t offset, uint64_t word)
{
	uint64_t page = offset / COVBUF_PROFILE_ALIGN * COVBUF_PROFILE_ALIGN;
	int err = 0;

	if (page != run->end - COVBUF_PROFILE_ALIGN) {
		if (page != run->end || run->end - run->begin == RUN_BYTES) {
			err = write_run(run);
			run->begin = run->end = page;
		}
		memset((char *)run->words + (page - run->begin), 0, COVBUF_PROFILE_ALIGN);
		run->end = page + COVBUF_PROFILE_ALIGN;
	}
	run->words[(offset - run->begin) / sizeof(uint64_t)] = word;
	return err;
}

static int write_part(const struct file *file, const struct covbuf_profile_part *part)
{
	struct run *run = malloc(sizeof(*run));
	int err = 0;

	if (!run)
		return -ENOMEM;
	run->fd = file->fd;
	run->begin = run->end = 0;
	for (uint64_t i = 0; i < part->nr_counters && !err; i++)
		err = put(run, file->note.counters_offset + part->counters[i].index * sizeof(uint64_t),
			  part->counters[i].count);
	for (uint64_t i = 0; i < part->nr_bits && !err; i++)
		err = put(run, file->note.bitmaps_offset + part->bits[i].index * sizeof(uint64_t), part->bits[i].bits);
	if (!err)
		err = write_run(run);
	free(run);
	return err;
}

/* ---- the template ---------------------------------------------------------------------------- */

struct template {
	const struct covb_profile_about *about;
	int directory;
	bool is_made;
};

static int make_template(struct covbuf_profile_image *image, void *arg)
{
	struct template *template = arg;
	int err;

	if (image->note->id != template->about->note.id || !image->make_template)
		return 0;
	err = image->make_template(image, template->directory);
	template->is_made = !err;
	return err;
}

/* By the image's own runtime, which knows its compiler's format. */
static int need_template(const struct file *file, const struct covb_profile_about *about)
{
	struct template template = { .about = about, .directory = file->directory };
	char name[COVB_NAME_BYTES];
	int err;

	snprintf(name, sizeof(name), "%s.template", file->stem);
	if (!faccessat(file->directory, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	covb_profile_lock();
	err = covb_profile_images(make_template, &template);
	covb_profile_unlock();
	return err || template.is_made ? err : -ESTALE;
}

/* ---- differences ----------------------------------------------------------------------------- */

static int fill_difference(struct file *file, const struct covb_profile_part *part)
{
	static uint64_t number;
	int err = need_template(file, part->about);

	if (!err)
		err = make(file);
	if (!err)
		err = write_part(file, &part->is);
	return err ? err : publish(file, "d", &number);
}

static int save_part(const struct covb_profile_part *part, const char *label, const char *directory,
		     struct covbuf_message *why)
{
	const char *path = directory ? directory : part->about->directory;
	struct file file = { .fd = -1 };
	char absolute[PATH_MAX];
	int err;

	if (!path)
		return covb_say(why, -ENOENT, "no directory for the difference: set COVBUF_PROFILE, or name one");
	err = covb_make_directory(path, absolute);
	if (!err)
		err = file.directory = covb_open_directory(absolute);
	if (err < 0)
		return say(why, err, path, part->about);
	describe(&file, part->about, COVBUF_PROFILE_DIFFERENCE, label);
	err = finish(&file, fill_difference(&file, part));
	return err ? say(why, err, path, part->about) : 0;
}

static int check_label(const char *label, struct covbuf_message *why)
{
	if (!label || !*label)
		return covb_say(why, -EINVAL, "a difference needs a label");
	for (const char *c = label; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			return covb_say(why, -EINVAL, "a label has no control characters");
	if (strlen(label) >= sizeof(((struct covbuf_profile_note *)NULL)->label))
		return covb_say(why, -ENAMETOOLONG, "a label has at most %zu bytes",
				sizeof(((struct covbuf_profile_note *)NULL)->label) - 1);
	return 0;
}

int covbuf_profile_diff_save(const struct covbuf_profile_difference *diff, const char *label, const char *directory,
			     struct covbuf_message *why)
{
	const struct covb_profile_part nothing = { .about = diff->any };
	const struct covb_profile_part *part = diff->parts.first ? diff->parts.first : &nothing;
	int err = check_label(label, why);

	if (!err && !part->about)
		err = covb_say(why, -ENOENT, "no image of this process is linked with covbuf's profile runtime");
	for (; part && !err; part = part->next)
		err = save_part(part, label, directory, why);
	return err;
}

/* ---- bits that are cleared ------------------------------------------------------------------- */

/* The room is reserved: a page that cannot be had later would be a SIGBUS. */
static int map_bitmaps(struct file *file, uint64_t nr_bytes, uint64_t **kept)
{
	int err = make(file);
	void *p;

	if (err)
		return err;
	do {
		err = -posix_fallocate(file->fd, (off_t)file->note.bitmaps_offset, (off_t)nr_bytes);
	} while (err == -EINTR); /* tmpfs of old kernels, for any signal */
	if (err)
		return err;
	p = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, (off_t)file->note.bitmaps_offset);
	if (p == MAP_FAILED)
		return -errno;
	*kept = p;
	return 0;
}

static int fill_kept(struct file *file, struct covb_profile_about *about)
{
	static uint64_t number;
	uint64_t nr_bytes = file->note.file_bytes - file->note.bitmaps_offset;
	uint64_t *kept = NULL;
	int err = map_bitmaps(file, nr_bytes, &kept);

	if (!err)
		err = publish(file, "b", &number);
	if (!err) {
		about->kept = kept;
		about->kept_bytes = nr_bytes;
	} else if (kept) {
		munmap(kept, nr_bytes);
	}
	return err;
}

int covb_profile_keep(struct covb_profile_about *about, struct covbuf_message *why)
{
	struct file file = { .fd = -1 };
	int err;

	if (about->kept)
		return 0;
	err = file.directory = covb_open_directory(about->directory);
	if (err >= 0) {
		describe(&file, about, COVBUF_PROFILE_COUNTS, "");
		err = finish(&file, fill_kept(&file, about));
	}
	return err ? say(why, err, about->directory, about) : 0;
}
