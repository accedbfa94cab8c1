/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One copy of each text for the life of the command, so that texts are equal if their pointers are.
 */
#ifndef COVBUF_STRINGS_H
#define COVBUF_STRINGS_H

const char *intern(const char *text);

/* What is longer than 1023 bytes is cut. */
const char *intern_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A path without ".", ".." and doubled slashes, by its text alone; relative ones below directory, which may be NULL. */
const char *intern_path(const char *directory, const char *path);

#endif
