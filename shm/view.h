/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two halves of the view share: reading by pread(), and the state of one area. */
#ifndef COVB_SHM_VIEW_H
#define COVB_SHM_VIEW_H

#include "area.h"

/* Read bytes at an offset. -EIO: the file ends before. */
int covb_view_read(const struct covbuf_segment *segment, uint64_t offset_bytes, void *to, size_t bytes);

/* A checked copy of area i's directory entry as it is now, one reading: its moving words may be torn. */
int covb_view_area_now(const struct covbuf_segment *segment, uint32_t i, struct covbuf_area *out);

#endif
