/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file that an output is written to until it is whole, under a name of its own beside its place. There is one at
 * a time; a signal that ends the command takes it along.
 */
#ifndef COVBUF_TEMPORARY_H
#define COVBUF_TEMPORARY_H

/* An empty file, "BESIDE.XXXXXX". Returns its descriptor, or -1 with errno. */
int temporary_open(const char *beside);

/* Its name, until it is kept or dropped. */
const char *temporary_path(void);

/* It becomes target. Returns 0, or -1 with errno; then it is still to be dropped. */
int temporary_keep(const char *target);

/* Removes it, if it is there. */
void temporary_drop(void);

#endif
