// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "progress.h"

#include <inttypes.h>

#include "command.h"

#define QUIET_NS 2000000000ull
#define REFRESH_NS 200000000ull

static struct {
	const char *what;
	uint64_t next_ns;
	bool terminal, shown;
} progress;

void progress_begin(const char *what)
{
	progress.what = what;
	progress.next_ns = now_ns() + QUIET_NS;
	progress.terminal = is_terminal(stderr);
	progress.shown = false;
}

void progress_at(uint64_t done, uint64_t total)
{
	uint64_t now;

	if (!progress.what || !progress.terminal)
		return;
	now = now_ns();
	if (now < progress.next_ns)
		return;
	progress.next_ns = now + REFRESH_NS;
	progress.shown = true;
	if (total)
		fprintf(stderr, "\r\033[K%s: %u%%", progress.what, (unsigned int)(100.0 * (double)done / (double)total));
	else
		fprintf(stderr, "\r\033[K%s: %" PRIu64, progress.what, done);
	fflush(stderr);
}

void progress_end(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.what = NULL;
}
