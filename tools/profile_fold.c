// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One file in place of those of many processes that have ended.
 *
 * The sum is written under a name that nobody reads, with the names of what is in it at its end, and renamed: from
 * then on a reader counts it, and passes over those. They are removed, and then the list of names. Killed before
 * the rename, nothing has changed; killed after it, whoever is next removes what is left. Where there was a sum
 * before, it is in the new one and replaced by that rename.
 */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define SUMMED_BYTES_OFFSET \
	(COVBUF_PROFILE_ALIGN - PROFILE_NOTE_BYTES + offsetof(struct covbuf_profile_note, summed_bytes))

#define MAX_AT_ONCE 1000 /* removing files may take milliseconds for each, and readers wait */

struct fold {
	const struct profiles *profiles;
	const struct profile_image *image;
	int directory;
	char *stem;		/* IMAGE.ID */
	char *name;		/* of the sum */
	struct profile_file **files; /* to be in the sum */
	size_t nr_files, nr_processes_files; /* without an old sum */
	uint64_t bytes;		/* of those */
	char *names;
	size_t names_bytes;
};

static bool is_old_sum(const struct fold *fold, const struct profile_file *file)
{
	return !strcmp(file->name, fold->name);
}

/* What the runtime has called it: the names of sum and template begin like this. */
static bool find_names(struct fold *fold)
{
	for (size_t i = 0; i < fold->image->nr_files; i++) {
		const char *name = fold->image->files[i]->name;
		char *id = must_printf(".%016" PRIx64 ".", fold->image->first->id);
		const char *at = strstr(name, id);

		if (at)
			fold->stem = must_printf("%.*s", (int)(at - name) + 17, name);
		free(id);
		if (at)
			break;
	}
	if (fold->stem)
		fold->name = must_printf("%s.0.0.profcnt", fold->stem);
	return fold->stem;
}

static void choose_files(struct fold *fold)
{
	const struct profile_image *image = fold->image;

	fold->files = must_alloc(image->nr_files * sizeof(struct profile_file *));
	for (size_t i = 0; i < image->nr_files && fold->nr_files < MAX_AT_ONCE; i++) {
		struct profile_file *file = image->files[i];
		bool old = is_old_sum(fold, file);

		if (file->kind == COVBUF_PROFILE_DIFFERENCE || !file->alone || (!file->pid && !old) ||
		    profile_is_live(fold->profiles, file))
			continue;
		fold->files[fold->nr_files++] = file;
		fold->nr_processes_files += !old;
		fold->bytes += old ? 0 : file->file_bytes;
	}
}

static void list_names(struct fold *fold)
{
	size_t room = 0;

	for (size_t i = 0; i < fold->nr_files; i++)
		room += strlen(fold->files[i]->name) + 24;
	fold->names = must_alloc(room);
	for (size_t i = 0; i < fold->nr_files; i++)
		if (!is_old_sum(fold, fold->files[i]))
			fold->names_bytes += (size_t)sprintf(fold->names + fold->names_bytes, "%" PRIu64 " %s",
							     fold->files[i]->started, fold->files[i]->name) + 1;
}

/* A whole file is to go, and counts need what else is in it. -EEXIST: another's, or of this moment; then it stays. */
static int keep_template(const struct fold *fold)
{
	char *name;
	int err = 0;

	if (fold->image->base->is_template)
		return 0;
	name = must_printf("%s.template", fold->stem);
	if (linkat(fold->directory, fold->image->base->name, fold->directory, name, 0))
		err = -errno;
	free(name);
	return err;
}

/* An old sum that is not in this one would be lost. */
static bool would_lose(const struct fold *fold)
{
	struct stat st;

	if (fstatat(fold->directory, fold->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno != ENOENT;
	for (size_t i = 0; i < fold->nr_files; i++)
		if (is_old_sum(fold, fold->files[i]))
			return false;
	return true;
}

static int forget_names(int fd)
{
	static const uint64_t none;

	return pwrite(fd, &none, sizeof(none), SUMMED_BYTES_OFFSET) == sizeof(none) ? 0 : -EIO;
}

static int remove_file(int directory, const char *name)
{
	return unlinkat(directory, name, 0) && errno != ENOENT ? -errno : 0;
}

static int remove_files(const struct fold *fold)
{
	int err = 0;

	for (size_t i = 0; !err && i < fold->nr_files; i++)
		if (!is_old_sum(fold, fold->files[i]))
			err = remove_file(fold->directory, fold->files[i]->name);
	return err;
}

static int write_sum(const struct fold *fold, const struct profile_sum *sum)
{
	char *hidden = must_printf(".%s", fold->name);
	int fd, err;

	unlinkat(fold->directory, hidden, 0); /* of one that was killed: the lock is ours */
	fd = openat(fold->directory, hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	err = fd < 0 ? -errno : profile_write_counts(fd, fold->image->first, sum, fold->names, fold->names_bytes);
	if (!err && fdatasync(fd))
		err = -errno;
	if (!err && renameat(fold->directory, hidden, fold->directory, fold->name))
		err = -errno;
	if (!err) {
		err = remove_files(fold);
		if (!err)
			err = forget_names(fd);
	} else if (fd >= 0) {
		unlinkat(fold->directory, hidden, 0);
	}
	if (fd >= 0)
		close(fd);
	free(hidden);
	return err;
}

static int add_up(const struct fold *fold)
{
	struct profile_sum sum;
	int err = 0;

	profile_sum_init(&sum, fold->image);
	for (size_t i = 0; !err && i < fold->nr_files; i++)
		err = profile_sum_add(&sum, fold->profiles, fold->files[i]);
	sum.processes = profile_count_processes(fold->files, fold->nr_files);
	if (!err)
		err = write_sum(fold, &sum);
	profile_sum_fini(&sum);
	return err;
}

static int fold_image(const struct profiles *profiles, const struct profile_image *image, int directory,
		      size_t more_than, uint64_t more_than_bytes)
{
	struct fold fold = { .profiles = profiles, .image = image, .directory = directory };
	bool many;
	int err = 0;

	if (!image->base || !find_names(&fold))
		return 0;
	choose_files(&fold);
	many = fold.nr_processes_files > more_than || (fold.nr_processes_files > 1 && fold.bytes > more_than_bytes);
	if (many && !would_lose(&fold)) {
		list_names(&fold);
		err = keep_template(&fold);
		if (!err)
			err = add_up(&fold);
		if (!err && fold.nr_files == MAX_AT_ONCE)
			err = 1;
		if (err == -EEXIST)
			err = 0;
	}
	free(fold.stem);
	free(fold.name);
	free(fold.files);
	free(fold.names);
	return err;
}

/* What one that was killed has left: the files in a sum, and then the list of them. */
static int finish_sums(const struct profiles *profiles, int directory)
{
	int err = 0;

	for (size_t i = 0; !err && i < profiles->nr_files; i++)
		if (profiles->files[i].in_sum)
			err = remove_file(directory, profiles->files[i].name);
	for (size_t i = 0; !err && i < profiles->nr_files; i++) {
		const struct profile_file *file = &profiles->files[i];
		int fd;

		if (!file->summed_bytes || file->start || file->counters_offset != COVBUF_PROFILE_ALIGN)
			continue;
		fd = openat(directory, file->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		err = fd < 0 ? -errno : forget_names(fd);
		if (fd >= 0)
			close(fd);
	}
	return err;
}

int profile_fold(const char *path, size_t more_than, uint64_t more_than_bytes)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct profiles profiles = { 0 };
	int err = directory < 0 ? -errno : 0;

	if (!err && flock(directory, LOCK_EX | LOCK_NB)) {
		err = -errno;
		close(directory);
		return err == -EWOULDBLOCK ? 0 : err;
	}
	if (err) {
		complain(path, "%s", strerror(-err));
		return err;
	}
	profiles_add_directory(&profiles, path, directory);
	profiles_group(&profiles);
	if (profiles.incomplete)
		err = -EPROTO;
	else
		err = finish_sums(&profiles, directory);
	for (size_t i = 0; err >= 0 && i < profiles.nr_images; i++) {
		int done = fold_image(&profiles, &profiles.images[i], directory, more_than, more_than_bytes);

		err = done ? done : err;
	}
	if (err < 0 && err != -EPROTO)
		complain(path, "files of ended processes stay as they are: they cannot be made one: %s",
			 strerror(-err));
	profiles_fini(&profiles);
	return err;
}
