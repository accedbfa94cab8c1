/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What recordings hold, put together: for each binary the set of addresses that were reached, as the
 * binary numbers them. Segments (live ones too), merged recordings and streams are read alike; memory
 * depends on the size of the programs, not on the length of the recordings.
 */
#ifndef COVBUF_RECORDING_H
#define COVBUF_RECORDING_H

#include <covbuf/segment.h>

#include "addresses.h"
#include "index.h"
#include "pcset.h"

/*
 * A binary that was mapped by a recorded process; the same path with another build-id is another one. Of a
 * kernel module each section of code is one, see kernel_file.h: addresses are relative to it.
 */
struct recording_module {
	const char *path; /* interned */
	const char *file, *place; /* of the kernel or a module of it; or NULL */
	uint8_t build_id[32];
	uint32_t build_id_bytes;
	uint64_t span; /* addresses of the file that were mapped are below it */
	struct pcset pcs[COVBUF_NR_MODES];
};

/* All zero is an empty one. */
struct recording {
	struct recording_module *modules;
	size_t nr_modules, room_modules;
	struct index names;	/* modules, by path and build-id */
	uint64_t records;	/* read, all modes */
	uint64_t unknown;	/* of those, in no module that was mapped */
	uint64_t holes;		/* slots that were claimed and never filled */
	uint64_t lost[COVBUF_NR_LOSSES];
	uint64_t lost_contexts, lost_procs, lost_modules;
	uint64_t created_ns;	/* the earliest */
	uint64_t damaged;	/* entries that were left out */
	uint64_t full;		/* areas of kernel records that are full: what came after is missing, and nobody counted it */
	size_t nr_files, streams;
	bool kernel;		/* some of it is of a kernel */
};

/* Add a file. On failure a complaint was made, and what could be read before is in. */
int recording_read(struct recording *recording, const char *path);

/* All of argv[optind..argc-1]; STATUS_OK, or STATUS_FAILED if any could not be read. */
int recording_read_all(struct recording *recording, int argc, char **argv);

/*
 * Open as an observer; NULL: a complaint was made. For commands that look at segments only: a stream is
 * told as such.
 */
struct covbuf_segment *open_segment(const char *path);

/*
 * How many words of areas to look through in all. Areas do not overlap, but a damaged directory may name one place a
 * million times. Twice what the file has, because a live segment's areas may move meanwhile.
 */
uint64_t segment_max_words(struct covbuf_segment *segment);

/* Say on stderr what the recordings lack: losses, damage, addresses of nowhere. */
void recording_warn(const struct recording *recording, const char *name);

void recording_fini(struct recording *recording);

/*
 * For the readers of the formats: put a row of a module table into the map, and its module, made if need
 * be, into the recording. False: it says what cannot be.
 */
bool recording_add_module(struct recording *recording, struct address_map *map, const struct covbuf_module *row);

const char *loss_name(unsigned int cause);

#endif
