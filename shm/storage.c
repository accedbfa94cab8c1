/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file behind a segment: a memfd, a name in /dev/shm, or a plain file; its storage, and the locks
 * on bytes beyond its data.
 *
 * We live in somebody else's program, which may close every descriptor and have the numbers again for
 * files of its own. So ours are kept out of the way, and looked at before anything is done to the file.
 * Locks are open-file-description locks on a description opened anew, because a descriptor that was
 * inherited shares its description, and with it the locks, with whoever it came from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm.h"

#define FIRST_DESCRIPTOR 700	       /* above what programs give fixed meanings to */
#define RESERVE_STEP_BYTES (16ull << 20) /* tmpfs starts over when a signal comes in between */

/* Out of the range that programs count on; where the limit is lower, at least not one of stdio's. Owns fd. */
static int move_high(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);

	if (moved < 0)
		moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

static const char *after_prefix(const char *where, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(where, prefix, length) ? NULL : where + length;
}

const char *covb_storage_advise(int err, bool making)
{
	switch (err) {
	case EEXIST:
		return "; choose another name, or remove it if nobody uses it any more";
	case ENOENT:
		return making ? "; its directory does not exist" : "; was it made, and is the name right?";
	case EACCES:
	case EPERM:
		return making ? "; choose a place that you may write to" :
				"; a segment is open to the user who made it only";
	case ENOSPC:
	case EDQUOT:
		return "; free some space, or choose another place";
	case EFBIG:
		return "; raise the limit of file size (ulimit -f)";
	case EMFILE:
	case ENFILE:
		return "; raise the limit of open files (ulimit -n)";
	case EINVAL:
		return "; a name has one slash, at its beginning";
	default:
		return "";
	}
}

int covb_storage_create(const char *where, int *out, struct covbuf_message *why)
{
	const char *name = where ? after_prefix(where, "name:") : NULL;
	int fd, err;

	if (where && after_prefix(where, "fd:"))
		return covb_say(why, -EINVAL, "cannot make a segment in %s: a descriptor names one that exists", where);
	if (!where)
		fd = memfd_create("covbuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	else if (name)
		fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	else
		fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = errno;
		return covb_say(why, -err, "cannot make the segment %s: %s%s", where ? where : "in memory", strerror(err),
				covb_storage_advise(err, true));
	}
	fd = move_high(fd);
	/* a umask may have taken rights away from the owner, and a memfd has all */
	if (fchmod(fd, 0600)) {
		err = errno;
		close(fd);
		covb_storage_remove(where);
		return covb_say(why, -err, "cannot set the mode of %s: %s", where ? where : "a segment in memory",
				strerror(err));
	}
	*out = fd;
	return 0;
}

void covb_storage_remove(const char *where)
{
	const char *name = where ? after_prefix(where, "name:") : NULL;

	if (name)
		shm_unlink(name);
	else if (where)
		unlink(where);
}

static int duplicate_inherited(const char *number, const char *where, struct covbuf_message *why)
{
	char *end;
	long n;
	int fd;

	errno = 0;
	n = strtol(number, &end, 10);
	if (errno || end == number || *end || *number < '0' || *number > '9' || n > INT_MAX)
		return covb_say(why, -EINVAL, "\"%s\" does not name a descriptor: say fd: and a number", where);
	fd = fcntl((int)n, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
	if (fd < 0 && errno != EBADF)
		fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return covb_say(why, errno == EBADF ? -ENOENT : -errno,
				"descriptor %ld is not open: it must be inherited, without close-on-exec", n);
	return fd;
}

int covb_storage_open(const char *where, bool write, int *out, struct covbuf_message *why)
{
	const char *number = after_prefix(where, "fd:"), *name = after_prefix(where, "name:");
	int how = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	struct stat status;
	int fd, err;

	if (number) {
		fd = duplicate_inherited(number, where, why);
		if (fd < 0)
			return fd;
	} else {
		/* not to hang on a FIFO, nor to get a terminal */
		fd = name ? shm_open(name, how, 0) : open(where, how | O_NONBLOCK | O_NOCTTY);
		if (fd < 0) {
			err = errno;
			return covb_say(why, -err, "cannot open the segment %s: %s%s", where, strerror(err), covb_storage_advise(err, false));
		}
		fd = move_high(fd);
	}
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
		close(fd);
		return covb_say(why, -EPROTO, "%s is not a segment: it is not a file", where);
	}
	if (write && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR) {
		close(fd);
		return covb_say(why, -EACCES, "%s is open for reading only: pass a descriptor that can be written to", where);
	}
	*out = fd;
	return 0;
}

int covb_storage_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) ? -errno : 0;
}

bool covb_storage_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

int covb_storage_reserve(int fd, uint64_t offset_bytes, uint64_t bytes)
{
	struct rlimit limit;

	/* the kernel would send SIGXFSZ */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY && offset_bytes + bytes > limit.rlim_cur)
		return -EFBIG;
	while (bytes) {
		uint64_t step = bytes < RESERVE_STEP_BYTES ? bytes : RESERVE_STEP_BYTES;
		int err = posix_fallocate(fd, (off_t)offset_bytes, (off_t)step);

		if (err == EINTR)
			continue;
		if (err)
			return -err;
		offset_bytes += step;
		bytes -= step;
	}
	return 0;
}

bool covb_storage_is(const struct covbuf_segment *segment, int fd)
{
	struct stat status;

	return fd >= 0 && !fstat(fd, &status) && status.st_dev == segment->device && status.st_ino == segment->inode;
}

/* See to it that lock_fd is open, and a description that nobody else has. */
static int open_lock(struct covbuf_segment *segment)
{
	char path[40];
	int fd;

	if (covb_storage_is(segment, segment->lock_fd))
		return 0;
	segment->lock_fd = -1;
	if (!covb_storage_is(segment, segment->fd))
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	segment->lock_fd = move_high(fd);
	return 0;
}

int covb_storage_lock(struct covbuf_segment *segment, uint64_t byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };
	int err = open_lock(segment);

	if (err)
		return err;
	if (!fcntl(segment->lock_fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

void covb_storage_unlock(struct covbuf_segment *segment, uint64_t byte)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };

	if (covb_storage_is(segment, segment->lock_fd))
		fcntl(segment->lock_fd, F_OFD_SETLK, &lock);
}

bool covb_storage_lock_free(const struct covbuf_segment *segment, uint64_t byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };
	int fd = covb_storage_is(segment, segment->lock_fd) ? segment->lock_fd : segment->fd;

	if (fd != segment->lock_fd && !covb_storage_is(segment, fd))
		return false;
	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type == F_UNLCK;
}
