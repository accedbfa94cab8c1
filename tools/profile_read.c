// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which profiles there are: directories and files are looked through once, the notes of all kept, and what belongs
 * to one image brought together. A directory is locked meanwhile against profile_fold.c.
 */
#include "profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "progress.h"

#define LOCK_WAIT_NS 10000000000ull
#define MAX_COPY_BYTES (4ull << 30)
#define MAX_NAMES_BYTES (256ull << 20)

static const char *const endings[] = { ".profraw", ".profcnt", ".template" };
#define NR_ENDINGS (sizeof(endings) / sizeof(endings[0]))

bool profile_name_fits(const char *name, const char *ending)
{
	size_t nr = strlen(name), nr_ending = strlen(ending);

	return *name != '.' && nr > nr_ending && !strcmp(name + nr - nr_ending, ending);
}

bool profile_name_is_ours(const char *name)
{
	for (size_t i = 0; i < NR_ENDINGS; i++)
		if (profile_name_fits(name, endings[i]) || (*name == '.' && strstr(name, endings[i])))
			return true;
	return false;
}

const char *profile_path(const struct profiles *profiles, const struct profile_file *file)
{
	static char *path;

	free(path);
	path = must_printf("%s%s", profiles->directories[file->directory].path, file->name);
	return path;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- a file ---------------------------------------------------------------------------------- */

static void pass_over_foreign(struct profiles *profiles, const char *name, const char *why)
{
	if (!profiles->nr_foreign++)
		profiles->foreign = must_printf("%s: %s", name, why);
}

static void refuse(struct profiles *profiles, const struct profile_file *file, const char *why)
{
	complain(profile_path(profiles, file), "%s", why);
	profiles->incomplete = true;
}

static void add_file(struct profiles *profiles, const struct profile_file *file)
{
	struct profile_file *added;

	profiles->files = must_grow(profiles->files, profiles->nr_files, &profiles->room_files,
				    sizeof(*profiles->files));
	added = &profiles->files[profiles->nr_files++];
	*added = *file;
	added->name = must_dup(file->name);
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + COVBUF_PROFILE_ALIGN - 1) / COVBUF_PROFILE_ALIGN * COVBUF_PROFILE_ALIGN;
}

/* A file with profiles one after the other; all of its bytes are to be understood. */
static void read_parts(struct profiles *profiles, int fd, uint64_t bytes, struct profile_file file, bool named)
{
	struct covbuf_message why;
	int err;

	do {
		err = profile_note_read(fd, bytes, &file, &why);
		if (err && file.start) {
			refuse(profiles, &file, "it goes on behind its end with what is no profile; it is damaged");
		} else if (err == -ENOENT && !named && profile_name_fits(file.name, ".profraw")) {
			pass_over_foreign(profiles, profile_path(profiles, &file), why.text);
		} else if (err) {
			refuse(profiles, &file, why.text);
		} else if (file.is_template && file.kind != COVBUF_PROFILE_WHOLE) {
			refuse(profiles, &file, "it is damaged: a template is a raw profile");
			err = -EPROTO;
		} else {
			uint64_t next = file.start + round_up(file.file_bytes);

			file.alone = !file.start && next >= bytes;
			add_file(profiles, &file);
			file.start = next;
		}
	} while (!err && !file.is_template && file.start < bytes);
}

static bool can_be_mapped(int fd)
{
	void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return false;
	munmap(page, 1);
	return true;
}

/* Files of debugfs and their like cannot be mapped, and each opening may give another content: read once. */
static int copy_whole(int from, uint64_t *bytes)
{
	int to = memfd_create("profile", MFD_CLOEXEC);
	char *buffer = must_alloc(65536);
	ssize_t n = 0;

	*bytes = 0;
	while (to >= 0 && *bytes < MAX_COPY_BYTES && (n = read(from, buffer, 65536)) > 0) {
		if (write(to, buffer, (size_t)n) != n) {
			n = -1;
			break;
		}
		*bytes += (uint64_t)n;
	}
	free(buffer);
	if (to >= 0 && n) {
		close(to);
		to = -1;
	}
	return to;
}

static void add_entry(struct profiles *profiles, uint32_t directory, const char *name, bool named)
{
	struct profile_file file = { .directory = directory, .fd = -1, .name = (char *)name,
				     .is_template = profile_name_fits(last_part(name), ".template") };
	int fd = openat(profiles->directories[directory].fd, name,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (named ? 0 : O_NOFOLLOW));
	size_t nr_before = profiles->nr_files;
	struct stat st;
	uint64_t bytes;

	if (fd < 0 || fstat(fd, &st)) {
		refuse(profiles, &file, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		refuse(profiles, &file, "it is neither a file nor a directory");
	} else {
		bytes = (uint64_t)st.st_size;
		file.device = st.st_dev;
		file.inode = st.st_ino;
		if (named && (!bytes || !can_be_mapped(fd)))
			file.fd = copy_whole(fd, &bytes);
		read_parts(profiles, file.fd >= 0 ? file.fd : fd, bytes, file, named);
	}
	if (file.fd >= 0 && profiles->nr_files == nr_before)
		close(file.fd);
	if (fd >= 0)
		close(fd);
}

/* ---- a directory ----------------------------------------------------------------------------- */

/* Readers are many; whoever makes sums and removes what is in them is alone. */
static bool lock_directory(int fd, const char *path)
{
	uint64_t until = now_ns() + LOCK_WAIT_NS;

	while (flock(fd, LOCK_SH | LOCK_NB)) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return true; /* this file system has no locks, so nobody else has one either */
		if (now_ns() > until) {
			complain(path, "another covbuf has been adding up its files for ten seconds; try again when it "
				       "has ended");
			return false;
		}
		usleep(10000);
	}
	return true;
}

/* Names without a dot before them. One that is nobody's profile by its kind is not opened: it may be a pipe. */
static void add_name(struct profiles *profiles, uint32_t directory, const char *name)
{
	const struct profile_directory *d = &profiles->directories[directory];
	struct stat st;

	if (*name == '.')
		return;
	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return; /* removed meanwhile, by somebody who does not know the lock: nothing of ours */
	if (!S_ISREG(st.st_mode) || !profile_name_is_ours(name)) {
		char *path = must_printf("%s%s", d->path, name);

		pass_over_foreign(profiles, path, "its name is not a profile's");
		free(path);
		return;
	}
	add_entry(profiles, directory, name, false);
}

static void read_directory(struct profiles *profiles, uint32_t directory)
{
	const struct profile_directory *d = &profiles->directories[directory];
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t nr = 0;

	if (!entries) {
		complain(d->path, "it cannot be read: %s", strerror(errno));
		profiles->incomplete = true;
		if (fd >= 0)
			close(fd);
		return;
	}
	progress_begin("looking through profiles");
	while ((errno = 0, entry = readdir(entries))) {
		add_name(profiles, directory, entry->d_name);
		progress_at(++nr, 0);
	}
	progress_end();
	if (errno) {
		complain(d->path, "it cannot be read: %s", strerror(errno));
		profiles->incomplete = true;
	}
	closedir(entries);
}

static uint32_t add_directory(struct profiles *profiles, char *path, int fd)
{
	struct profile_directory *directory;
	struct stat st = { 0 };

	profiles->directories = must_grow(profiles->directories, profiles->nr_directories, &profiles->room_directories,
					  sizeof(*profiles->directories));
	directory = &profiles->directories[profiles->nr_directories];
	*directory = (struct profile_directory){ .path = path, .fd = fd };
	if (fd != AT_FDCWD && !fstat(fd, &st)) {
		directory->device = st.st_dev;
		directory->inode = st.st_ino;
	}
	return (uint32_t)profiles->nr_directories++;
}

/* The place of files that are named one by one: the first. */
static uint32_t find_nowhere(struct profiles *profiles)
{
	for (size_t i = 0; i < profiles->nr_directories; i++)
		if (profiles->directories[i].fd == AT_FDCWD)
			return (uint32_t)i;
	return add_directory(profiles, must_dup(""), AT_FDCWD);
}

void profiles_add_directory(struct profiles *profiles, const char *path, int fd)
{
	size_t nr = strlen(path);

	char *with_slash = must_printf("%s%s", path, nr && path[nr - 1] == '/' ? "" : "/");

	read_directory(profiles, add_directory(profiles, with_slash, fd));
}

void profiles_add(struct profiles *profiles, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOTDIR) {
		add_entry(profiles, find_nowhere(profiles), path, true);
	} else if (fd < 0) {
		complain(path, "%s", strerror(errno));
		profiles->incomplete = true;
	} else if (!lock_directory(fd, path)) {
		close(fd);
		profiles->incomplete = true;
	} else {
		profiles_add_directory(profiles, path, fd);
	}
}

/* ---- what belongs together ------------------------------------------------------------------- */

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_places(const void *a, const void *b)
{
	const struct profile_file *x = *(struct profile_file *const *)a, *y = *(struct profile_file *const *)b;
	int order = ORDER(x->is_template, y->is_template);

	order = order ? order : ORDER(x->device, y->device);
	order = order ? order : ORDER(x->inode, y->inode);
	return order ? order : ORDER(x->start, y->start);
}

static int compare_files(const void *a, const void *b)
{
	const struct profile_file *x = *(struct profile_file *const *)a, *y = *(struct profile_file *const *)b;
	int order = ORDER(x->id, y->id);

	order = order ? order : ORDER(y->is_template, x->is_template);
	order = order ? order : ORDER(profile_holds_cleared_bits(x->name), profile_holds_cleared_bits(y->name));
	order = order ? order : ORDER(x->directory, y->directory);
	order = order ? order : strcmp(x->name, y->name);
	return order ? order : ORDER(x->start, y->start);
}

static int compare_names(const void *a, const void *b)
{
	const struct profile_file *x = *(struct profile_file *const *)a, *y = *(struct profile_file *const *)b;

	return strcmp(last_part(x->name), last_part(y->name));
}

static void mark_doubles(struct profile_file **files, size_t nr)
{
	qsort(files, nr, sizeof(*files), compare_places);
	for (size_t i = 1; i < nr; i++)
		if (!files[i]->is_template && !compare_places(&files[i - 1], &files[i]))
			files[i]->passed_over = true;
}

/* One "STARTED NAME" of a sum: that file was not removed in time. by_name: the image's files. */
static void mark_summed(struct profile_file **by_name, size_t nr, const char *entry)
{
	char *name;
	struct profile_file key = { 0 }, *wanted = &key, **found;
	uint64_t started = strtoull(entry, &name, 10);

	if (*name != ' ')
		return;
	key.name = name + 1;
	found = bsearch(&wanted, by_name, nr, sizeof(*by_name), compare_names);
	while (found && found > by_name && !compare_names(found - 1, &wanted))
		found--;
	for (; found && found < by_name + nr && !compare_names(found, &wanted); found++)
		if ((*found)->started == started && !(*found)->is_template)
			(*found)->passed_over = (*found)->in_sum = true;
}

/* by_name: all nr files of the image, sorted. */
static void read_summed(struct profiles *profiles, const struct profile_file *sum, struct profile_file **by_name,
			size_t nr)
{
	uint64_t bytes = sum->summed_bytes;
	char *names;
	int fd;

	if (bytes > MAX_NAMES_BYTES) {
		refuse(profiles, sum, "it is damaged: it has too many names");
		return;
	}
	fd = profile_open(profiles, sum);
	names = must_alloc(bytes + 1);
	if (fd < 0 || !read_at(fd, sum->start + sum->file_bytes - bytes, names, bytes))
		refuse(profiles, sum, "the names of what is in it cannot be read");
	for (const char *entry = names; entry < names + bytes; entry += strlen(entry) + 1)
		mark_summed(by_name, nr, entry);
	free(names);
	if (fd >= 0)
		close(fd);
}

static void mark_all_summed(struct profiles *profiles, struct profile_file **files, size_t nr)
{
	struct profile_file **by_name = NULL;

	for (size_t i = 0; i < nr; i++) {
		if (!files[i]->summed_bytes)
			continue;
		if (!by_name) {
			by_name = must_alloc(nr * sizeof(struct profile_file *));
			memcpy(by_name, files, nr * sizeof(struct profile_file *));
			qsort(by_name, nr, sizeof(*by_name), compare_names);
		}
		read_summed(profiles, files[i], by_name, nr);
	}
	free(by_name);
}

bool profile_agrees(const struct profile_file *a, const struct profile_file *b)
{
	return a->raw_version == b->raw_version && a->counters_bytes == b->counters_bytes &&
	       a->bitmaps_bytes == b->bitmaps_bytes && a->template_counters == b->template_counters &&
	       a->template_bitmaps == b->template_bitmaps &&
	       profile_compiler_major(a->compiler) == profile_compiler_major(b->compiler);
}

static void check_agreement(struct profiles *profiles, const struct profile_image *image)
{
	for (size_t i = 0; i < image->nr_files; i++)
		if (!profile_agrees(image->first, image->files[i]))
			refuse(profiles, image->files[i],
			       "it is damaged: it says that it is of an image which it does not fit");
}

/* nr files of one ID, templates first. */
static void make_image(struct profiles *profiles, struct profile_image *image, struct profile_file **files, size_t nr)
{
	*image = (struct profile_image){ .files = files, .first = files[0], .selected = true };
	mark_all_summed(profiles, files, nr);
	for (size_t i = 0; i < nr; i++) {
		struct profile_file *file = files[i];

		if (!image->base && file->kind == COVBUF_PROFILE_WHOLE)
			image->first = image->base = file;
		if (file->is_template || file->passed_over)
			continue;
		image->files[image->nr_files++] = file;
		image->nr_differences += file->kind == COVBUF_PROFILE_DIFFERENCE;
		image->lost_processes += file->kind == COVBUF_PROFILE_DIFFERENCE ? 0 : file->lost_processes;
	}
	image->name = last_part(image->first->image);
	image->major = profile_compiler_major(image->first->compiler);
	image->processes = profile_count_processes(image->files, image->nr_files);
	check_agreement(profiles, image);
}

static int compare_images(const void *a, const void *b)
{
	const struct profile_image *x = a, *y = b;
	int order = strcmp(x->first->image, y->first->image);

	return order ? order : ORDER(x->first->id, y->first->id);
}

void profiles_group(struct profiles *profiles)
{
	size_t nr = profiles->nr_files, from = 0;

	profiles->sorted = must_alloc(nr * sizeof(struct profile_file *));
	profiles->images = must_alloc(nr * sizeof(*profiles->images));
	for (size_t i = 0; i < nr; i++)
		profiles->sorted[i] = &profiles->files[i];
	if (!nr)
		return;
	mark_doubles(profiles->sorted, nr);
	qsort(profiles->sorted, nr, sizeof(*profiles->sorted), compare_files);
	for (size_t i = 1; i <= nr; i++) {
		if (i < nr && profiles->sorted[i]->id == profiles->sorted[from]->id)
			continue;
		make_image(profiles, &profiles->images[profiles->nr_images++], &profiles->sorted[from], i - from);
		from = i;
	}
	qsort(profiles->images, profiles->nr_images, sizeof(*profiles->images), compare_images);
}

void profiles_fini(struct profiles *profiles)
{
	for (size_t i = 0; i < profiles->nr_files; i++) {
		if (profiles->files[i].fd >= 0 && !profiles->files[i].start)
			close(profiles->files[i].fd);
		free(profiles->files[i].name);
	}
	for (size_t i = 0; i < profiles->nr_directories; i++) {
		if (profiles->directories[i].fd >= 0)
			close(profiles->directories[i].fd);
		free(profiles->directories[i].path);
	}
	free(profiles->directories);
	free(profiles->files);
	free(profiles->sorted);
	free(profiles->images);
	free(profiles->foreign);
	*profiles = (struct profiles){ 0 };
}

/* The same file as when its note was read, and no shorter than that says. */
int profile_open(const struct profiles *profiles, const struct profile_file *file)
{
	struct stat st;
	int fd;

	if (file->fd >= 0)
		return fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	fd = openat(profiles->directories[file->directory].fd, file->name,
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st)) {
		int err = errno;

		complain(profile_path(profiles, file), "%s", strerror(err));
		if (fd >= 0)
			close(fd);
		return -err;
	}
	if (st.st_dev != file->device || st.st_ino != file->inode ||
	    (uint64_t)st.st_size < file->start + file->file_bytes) {
		complain(profile_path(profiles, file), "somebody has replaced it or cut it short meanwhile");
		close(fd);
		return -EPROTO;
	}
	return fd;
}
