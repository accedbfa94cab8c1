/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A quarter of a megabyte of words and noise, deflated at level 6 and inflated, some kilobytes at a time. */
#include <string.h>

#include <zlib.h>

#include "driver.h"

#define SLICE_BYTES 2048
#define NR_SLICES 128

static unsigned char input[NR_SLICES * SLICE_BYTES];
static unsigned char packed[NR_SLICES * SLICE_BYTES * 2], output[sizeof(input)];
static z_stream deflater, inflater;
static unsigned long packed_bytes;

/* A slice packs a piece, or unpacks one. */
const uint32_t workload_slices = 2 * NR_SLICES;

void workload_prepare(void)
{
	static const char *const words[] = { "the ", "coverage ", "buffer ", "of ", "kernel ", "trace ",
					     "x1f ", "area ", "42 ", "pc\n", "remote ", "handle " };
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(input);) {
		state = state * 1103515245 + 12345;
		if ((state >> 8) % 7 == 0) {
			input[i++] = (unsigned char)(state >> 24);
			continue;
		}
		for (const char *c = words[(state >> 16) % 12]; *c && i < sizeof(input); c++)
			input[i++] = (unsigned char)*c;
	}
	if (deflateInit(&deflater, 6) != Z_OK || inflateInit(&inflater) != Z_OK)
		driver_fail("deflateInit() or inflateInit()");
}

static void pack(uint32_t piece)
{
	if (piece == 0) {
		deflateReset(&deflater);
		deflater.next_out = packed;
		deflater.avail_out = sizeof(packed);
	}
	deflater.next_in = input + piece * SLICE_BYTES;
	deflater.avail_in = SLICE_BYTES;
	if (deflate(&deflater, piece + 1 < NR_SLICES ? Z_NO_FLUSH : Z_FINISH) < Z_OK)
		driver_fail("deflate()");
	packed_bytes = deflater.total_out;
}

static void unpack(uint32_t piece)
{
	unsigned long begin = packed_bytes * piece / NR_SLICES;
	unsigned long end = packed_bytes * (piece + 1) / NR_SLICES;

	if (piece == 0) {
		inflateReset(&inflater);
		inflater.next_out = output;
		inflater.avail_out = sizeof(output);
	}
	inflater.next_in = packed + begin;
	inflater.avail_in = (unsigned int)(end - begin);
	if (inflate(&inflater, Z_NO_FLUSH) < Z_OK)
		driver_fail("inflate()");
	if (piece + 1 == NR_SLICES && memcmp(input, output, sizeof(input)))
		driver_fail("inflate(), what came out,");
}

void workload_slice(uint32_t i)
{
	if (i < NR_SLICES)
		pack(i);
	else
		unpack(i - NR_SLICES);
}
