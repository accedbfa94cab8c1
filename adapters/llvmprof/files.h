/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files of a profile directory: how they are named, made and found again. A fork child does all of this too,
 * but for making the directory: async-signal-safe calls, small frames. No descriptor is kept: programs close
 * those that they do not know.
 *
 * Functions return a descriptor or 0, or -errno.
 */
#ifndef COVB_LLVMPROF_FILES_H
#define COVB_LLVMPROF_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h> /* renameat2() */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"

#if !defined(COVB_RAW)
#define COVB_RAW __attribute__((unused)) static
#endif

#define COVB_MAX_NUMBER 10000
#define COVB_NAME_BYTES 256

/* A text in the making. What does not fit is left away. */
struct covb_text {
	char *at, *last;
};

COVB_RAW struct covb_text covb_text_in(char *buffer, size_t bytes)
{
	struct covb_text text = { buffer, buffer + bytes - 1 };

	*buffer = 0;
	return text;
}

COVB_RAW void covb_text_add(struct covb_text *text, const char *more)
{
	while (*more && text->at < text->last)
		*text->at++ = *more++;
	*text->at = 0;
}

COVB_RAW void covb_text_add_number(struct covb_text *text, uint64_t number)
{
	char digits[21];
	char *at = digits + sizeof(digits) - 1;

	*at = 0;
	do {
		*--at = (char)('0' + number % 10);
	} while (number /= 10);
	covb_text_add(text, at);
}

/* IMAGE.ID. What would hide a file or garble a terminal is not part of its name. */
COVB_RAW void covb_name_stem(char *stem, size_t bytes, const char *path, uint64_t id)
{
	const char *slash = strrchr(path, '/');
	struct covb_text text = covb_text_in(stem, bytes - 17);

	covb_text_add(&text, slash ? slash + 1 : path);
	if (stem[0] == '.' || stem[0] == '-')
		stem[0] = '_';
	for (char *c = stem; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '_';
	text.last += 17;
	covb_text_add(&text, ".");
	for (int shift = 60; shift >= 0; shift -= 4) {
		char digit[2] = { "0123456789abcdef"[id >> shift & 15], 0 };

		covb_text_add(&text, digit);
	}
}

/* PREFIX STEM.PID.N SUFFIX */
COVB_RAW void covb_name_file(char *name, const char *prefix, const char *stem, uint32_t pid, uint64_t number,
			     const char *suffix)
{
	struct covb_text text = covb_text_in(name, COVB_NAME_BYTES);

	covb_text_add(&text, prefix);
	covb_text_add(&text, stem);
	covb_text_add(&text, ".");
	covb_text_add_number(&text, pid);
	covb_text_add(&text, ".");
	covb_text_add_number(&text, number);
	covb_text_add(&text, suffix);
}

/* Makes the directory, if it has to, and gives its absolute path (PATH_MAX bytes; changed in any case). */
COVB_RAW int covb_make_directory(const char *name, char *absolute)
{
	if (realpath(name, absolute))
		return 0;
	if (errno == ENOENT && (mkdir(name, 0700) == 0 || errno == EEXIST) && realpath(name, absolute))
		return 0;
	return -errno;
}

/* In a directory of somebody else, or where everybody may remove files, names mean nothing. */
COVB_RAW int covb_open_directory(const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	if (directory < 0)
		return -errno;
	if (fstat(directory, &status) < 0)
		status.st_uid = geteuid() + 1;
	if ((status.st_uid == geteuid() || status.st_uid == 0 || geteuid() == 0) &&
	    (!(status.st_mode & S_IWOTH) || status.st_mode & S_ISVTX))
		return directory;
	close(directory);
	return -EPERM;
}

/* Room is reserved for all of it: a page that cannot be had when it is written would be a SIGBUS. */
COVB_RAW int covb_reserve(int fd, uint64_t bytes)
{
	struct rlimit limit;
	int error;

	/* Going beyond this would be a SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes)
		return -EFBIG;
	do {
		error = posix_fallocate(fd, 0, (off_t)bytes);
	} while (error == EINTR);
	return -error;
}

/* A new file of zeros, under a name that readers pass over. */
COVB_RAW int covb_make_file(int directory, const char *stem, uint32_t pid, uint64_t bytes, char *name)
{
	int fd = -1, error;

	for (unsigned int n = 0; n < COVB_MAX_NUMBER; n++) {
		covb_name_file(name, ".", stem, pid, n, "");
		fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (fd < 0)
		return -errno;
	error = covb_reserve(fd, bytes);
	if (error == 0)
		return fd;
	unlinkat(directory, name, 0);
	close(fd);
	return error;
}

/* Moves a file to a name that nobody has: -EEXIST. */
COVB_RAW int covb_move_file(int directory, const char *from, const char *to)
{
#if defined(RENAME_NOREPLACE)
	if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* a filesystem that cannot, a kernel or, by EPERM, an old container that knows it not; then there are links */
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
		return -errno;
#endif
	if (linkat(directory, from, directory, to, 0) < 0)
		return -errno;
	unlinkat(directory, from, 0);
	return 0;
}

/* The nth number that a process tries. In containers many processes have the same number. */
COVB_RAW uint64_t covb_number(unsigned int n, const struct covbuf_profile_note *note)
{
	return n < 16 ? n : note->started * 1000 + n;
}

/* Gives a file its name, with a free number. @name gets it. */
COVB_RAW int covb_publish(int directory, char *name, const char *stem, const struct covbuf_profile_note *note,
			  const char *suffix)
{
	char to[COVB_NAME_BYTES];
	int error = -EEXIST;

	for (unsigned int n = 0; n < COVB_MAX_NUMBER && error == -EEXIST; n++) {
		covb_name_file(to, "", stem, note->pid, covb_number(n, note), suffix);
		error = covb_move_file(directory, name, to);
	}
	if (error == 0)
		strcpy(name, to);
	return error;
}

COVB_RAW int covb_write_at(int fd, const void *from, size_t bytes, uint64_t offset)
{
	const char *at = (const char *)from;

	while (bytes > 0) {
		ssize_t written = pwrite(fd, at, bytes, (off_t)offset);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			at += written;
			offset += (uint64_t)written;
			bytes -= (size_t)written;
		}
	}
	return 0;
}

/* When this process started, in clock ticks since the machine did: field 22, counted from behind the name. */
COVB_RAW uint64_t covb_process_started(void)
{
	char text[1024];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;
	uint64_t started = 0;

	if (fd >= 0)
		close(fd);
	if (bytes <= 0)
		return 0;
	text[bytes] = 0;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
		started = started * 10 + (uint64_t)(*at - '0');
	return started;
}

/* Processes of two containers may have one pid, and have started within the same tick. */
COVB_RAW uint64_t covb_pid_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) < 0 ? 0 : status.st_ino;
}

/*
 * Which process this is. @note: zero, or of the process that has forked this one: that is in the same namespace if its
 * pid is known here, and a fork child need not ask.
 */
COVB_RAW void covb_note_process(struct covbuf_profile_note *note)
{
	if (!note->pid_namespace || note->pid != (uint32_t)getppid())
		note->pid_namespace = covb_pid_namespace();
	note->pid = (uint32_t)getpid();
	note->started = covb_process_started();
}

#endif
