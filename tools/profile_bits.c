// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bits that a process has moved out of its bitmaps, into a file of their own (COVBUF_PROFILE_CLEAR_BITMAPS). It writes
 * them there first and clears them then. So who reads the process's bitmaps first and that file then, has all; but the
 * first time there is no such file when the directory is listed. Hence this, after all else was read.
 */
#include "profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "IMAGE.ID.PID.bN.profcnt" */
bool profile_holds_cleared_bits(const char *name)
{
	const char *end = strrchr(name, '.');
	const char *dot = end ? memrchr(name, '.', (size_t)(end - name)) : NULL;

	return dot && dot[1] == 'b' && profile_name_fits(name, ".profcnt");
}

static bool is_known(const struct profiles *profiles, uint32_t directory, ino_t inode)
{
	for (size_t i = 0; i < profiles->nr_files; i++)
		if (profiles->files[i].directory == directory && profiles->files[i].inode == inode)
			return true;
	return false;
}

static int add_file(struct profile_sum *sum, const struct profiles *profiles, const struct profile_image *image,
		    uint32_t directory, const char *name)
{
	struct profile_file file = { .directory = directory, .fd = -1, .name = (char *)name };
	int fd = openat(profiles->directories[directory].fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct covbuf_message why;
	struct stat st;
	bool ours;

	if (fd < 0)
		return 0;
	ours = !fstat(fd, &st) && S_ISREG(st.st_mode) && !is_known(profiles, directory, st.st_ino) &&
	       !profile_note_read(fd, (uint64_t)st.st_size, &file, &why) && file.id == image->first->id &&
	       file.kind == COVBUF_PROFILE_COUNTS && profile_agrees(image->first, &file);
	close(fd);
	file.device = st.st_dev;
	file.inode = st.st_ino;
	return ours ? profile_sum_add(sum, profiles, &file) : 0;
}

int profile_sum_add_new_bits(struct profile_sum *sum, const struct profiles *profiles, const struct profile_image *image)
{
	int err = 0;

	for (uint32_t i = 0; i < profiles->nr_directories; i++) {
		const struct profile_directory *directory = &profiles->directories[i];
		int fd = directory->fd < 0 ? -1 : openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *entries = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *entry;

		while (entries && !err && (entry = readdir(entries)))
			if (profile_holds_cleared_bits(entry->d_name))
				err = add_file(sum, profiles, image, i, entry->d_name);
		if (entries)
			closedir(entries);
		else if (fd >= 0)
			close(fd);
	}
	return err;
}
