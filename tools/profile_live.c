// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether a process may still count in a file.
 *
 * Two signs must agree that it does not: nobody has the file open or mapped to be written, which is the
 * kernel's word, for all namespaces, and shown by a lease that it grants; and the process is gone, or its pid
 * another's, since one that has unloaded the image may load it again and go on with its file.
 */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "../shm/liveness.h"

/* Who opens it just then waits for us, or makes us hear SIGIO: once it is ours, give it back. */
static bool is_written(int fd)
{
	void (*before)(int) = signal(SIGIO, SIG_IGN);
	bool granted = !fcntl(fd, F_SETLEASE, F_RDLCK);
	int err = errno;

	if (granted)
		fcntl(fd, F_SETLEASE, F_UNLCK);
	signal(SIGIO, before);
	errno = err;
	return !granted;
}

static bool is_alive(const struct profile_file *file)
{
	uint64_t ticks = 0;
	int err;

	if (!file->pid)
		return false;
	err = covb_start_ticks(file->pid, &ticks);
	if (err)
		return err != -ENOENT;
	return !file->started || ticks == file->started;
}

bool profile_is_live(const struct profiles *profiles, const struct profile_file *file)
{
	int fd;
	bool live;

	if (file->fd >= 0)
		return file->pid != 0;
	if (is_alive(file))
		return true;
	fd = profile_open(profiles, file);
	if (fd < 0)
		return true;
	live = is_written(fd);
	close(fd);
	return live;
}
