// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The observer under Eva: whatever pread() gives, and however a file that is being written answers twice, what is
 * given out is in range, and no buffer is left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#include "split.h"
#include "shm/layout.c"
#include "shm/view.c"
#include "shm/view_words.c"

#include "segment.h"

/* Anything, all of what was asked for or nothing. */
ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
	errno = any ? EINTR : EIO;
	if (any)
		return -1;
	if (any)
		return 0;
	Frama_C_make_unknown(to, bytes);
	return (ssize_t)bytes;
}

bool covb_process_dead(struct covbuf_segment *s, uint32_t i)
{
	return any;
}

int covb_say(struct covbuf_message *why, int err, const char *format, ...)
{
	return err;
}

/* A header that somebody hands us. */
int eva_layout(void)
{
	struct covbuf_header header;
	struct covb_layout layout;

	Frama_C_make_unknown((char *)&header, sizeof(header));
	return covb_layout_check("", &header, any_number, any, &layout, NULL);
}

int eva_entries(void)
{
	struct covbuf_header header;
	struct covbuf_proc proc;
	struct covbuf_context_slot context;
	struct covbuf_owner_slot owner;
	struct covbuf_module module;
	struct covbuf_area area;
	uint32_t i = (uint32_t)any_number;

	begin();
	covbuf_view_header(&segment, &header);
	covbuf_view_proc(&segment, i, &proc);
	covbuf_view_context(&segment, i, &context);
	covbuf_view_owner(&segment, i, &owner);
	covbuf_view_module(&segment, i, &module);
	return covbuf_view_area(&segment, i, &area);
}

static uint64_t words[LIMIT / 8];

/* Any description, also one that we never gave out. */
static void describe(struct covbuf_area *area)
{
	Frama_C_make_unknown((char *)area, sizeof(*area));
}

int eva_words(void)
{
	struct covbuf_area area;
	uint64_t from = any_number, nr = any_number;

	begin();
	describe(&area);
	if (nr > sizeof(words) / 8)
		return 0;
	return (int)covbuf_view_words(&segment, (uint32_t)any_number, &area, from, nr, words);
}

static int visit(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < covb_record_words(area->mode); i++)
		sum += record[i];
	return (int)sum;
}

int eva_records(void)
{
	struct covbuf_area area;
	uint64_t holes;

	begin();
	describe(&area);
	return (int)covbuf_view_records(&segment, (uint32_t)any_number, &area, visit, NULL, &holes);
}
