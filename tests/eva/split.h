/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the analyser: what is known after an area's description has been checked depends on its class, mode and kind,
 * and on the verdict. Each combination is followed by itself (-eva-partition-value of the four numbers here), so that
 * bounds which hold together are not mixed.
 */
#ifndef TESTS_EVA_SPLIT_H
#define TESTS_EVA_SPLIT_H

#include "__fc_builtin.h"
#include "shm/area.c"

int split_class, split_mode, split_kind, split_verdict;

static void split(struct covbuf_area *area)
{
	split_class = COVBUF_NR_CLASSES;
	//@ loop unroll 13;
	for (int c = 0; c < COVBUF_NR_CLASSES; c++)
		if (area->area_class == c) {
			area->area_class = c;
			split_class = c;
			break;
		}
	split_mode = COVBUF_NR_MODES;
	//@ loop unroll 3;
	for (int m = 0; m < COVBUF_NR_MODES; m++)
		if (area->mode == m) {
			area->mode = m;
			split_mode = m;
			break;
		}
	split_kind = COVBUF_COUNTED + 1;
	//@ loop unroll 4;
	for (int k = 0; k <= COVBUF_COUNTED; k++)
		if (area->kind == k) {
			area->kind = k;
			split_kind = k;
			break;
		}
}

/* The first description is what is worked with; one that is only compared with it is not followed. */
static int split_done;

static int split_check(const struct covb_layout *layout, uint64_t size_bytes, struct covbuf_area *area)
{
	int err;

	if (split_done)
		return covb_area_check(layout, size_bytes, area);
	split_done = 1;
	split(area);
	err = covb_area_check(layout, size_bytes, area);
	split_verdict = err ? 1 : 0;
	split(area); /* what cannot be may have been dropped */
	return err;
}

static bool split_place(const struct covb_layout *layout, uint64_t size_bytes, const struct covbuf_area *area)
{
	bool ok;

	split((struct covbuf_area *)area);
	ok = covb_area_place_ok(layout, size_bytes, area);
	split_verdict = ok ? 1 : 0;
	return ok;
}

#define covb_area_check split_check
#define covb_area_place_ok split_place

#endif
