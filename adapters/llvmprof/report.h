/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why an image has no file: one line on standard error, with what to do about it. Async-signal-safe, small frames.
 */
#ifndef COVB_LLVMPROF_REPORT_H
#define COVB_LLVMPROF_REPORT_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

COVB_RAW const char *covb_advice(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return "make room there";
	case -EFBIG:
		return "raise the limit of file sizes (ulimit -f)";
	case -EMFILE:
	case -ENFILE:
		return "raise the limit of open files (ulimit -n)";
	case -ENOMEM:
		return "raise the limits of memory and mappings (ulimit -v, vm.max_map_count)";
	case -EEXIST:
		return "let COVBUF_PROFILE name a directory with fewer files";
	case -ENOENT:
		return "the directory above it has to exist, below the root directory that the process sees";
	case -EPERM:
		return "let COVBUF_PROFILE name a directory of your own, where not everybody may write";
	case -EINVAL:
	case -ENODEV:
	case -EOPNOTSUPP:
		return "let COVBUF_PROFILE name a directory whose filesystem shares mappings, as in /dev/shm";
	default:
		return "let COVBUF_PROFILE name a directory that this user may write in";
	}
}

COVB_RAW const char *covb_error_text(int error)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
	const char *text = strerrordesc_np(-error); /* strerror() may allocate */

	return text ? text : "unknown error";
#else
	return strerror(-error);
#endif
}

/* One line, and not a SIGPIPE where nobody reads it. */
COVB_RAW void covb_write_line(const char *line, size_t bytes)
{
	sigset_t pipe_signal, before, pending;
	struct timespec now = { 0, 0 };

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	sigpending(&pending);
	if (write(STDERR_FILENO, line, bytes) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_signal, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

COVB_RAW void covb_complain(const char *image, const char *where, const char *why, const char *to_do)
{
	char line[1536];
	struct covb_text text = covb_text_in(line, sizeof(line) - 1);

	covb_text_add(&text, "covbuf: counts of ");
	covb_text_add(&text, image);
	covb_text_add(&text, " stay private: ");
	covb_text_add(&text, where);
	covb_text_add(&text, *where ? ": " : "");
	covb_text_add(&text, why);
	covb_text_add(&text, "; ");
	covb_text_add(&text, to_do);
	text.last++;
	covb_text_add(&text, "\n");
	covb_write_line(line, (size_t)(text.at - line));
}

COVB_RAW void covb_complain_of_file(const char *image, const char *path, int error)
{
	covb_complain(image, path, covb_error_text(error), covb_advice(error));
}

#endif
