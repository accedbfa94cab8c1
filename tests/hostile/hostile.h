/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests with a second, hostile process have in common: segments to be hostile to, all that a
 * reader does with one, and an alarm: whatever happens, each call comes back.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <fcntl.h>
#include <stdint.h>

#include "../unit/image.h"

/* Where the segment's file is: a memfd that is sealed against shrinking, a tmpfs, a disk. */
enum place { SEALED, SHM, DISK, NR_PLACES };
extern const char *const place_names[NR_PLACES];

/* An image in a new file there, which has no name any more. Areas in every state and of every kind. */
void hostile_make(struct image *image, enum place place);
void hostile_remove(struct image *image);

/* As it was made, whatever happened to it; its file has its size again. */
void hostile_restore(struct image *image);

/* Readers, both of the same file. The consumer's process has the lock. */
struct readers {
	struct covbuf_segment *consumer, *observer;
	uint64_t sum, batches, errors, passes;
};
void readers_open(struct readers *readers, const struct image *image);
void readers_close(struct readers *readers);

/* One of them, by number; each checks what comes back. */
#define NR_READINGS 8u
void read_in_some_way(struct readers *readers, unsigned int way);

/* Say what is wrong, and end with status 1. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* End with a message unless this is called again within so many seconds. */
void expect_to_be_back(unsigned int seconds, const char *from);

double now(void);

#endif
