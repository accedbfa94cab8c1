/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The coverage of one request: an owner of its own, and a handle under which any thread works for it. */
#ifndef PER_REQUEST_COVERAGE_H
#define PER_REQUEST_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#include <covbuf/covbuf.h>

struct coverage {
	struct covbuf_owner *owner;
	uint64_t handle; /* for covbuf_remote_start() */
};

/* Before the first request. 0 or -errno. */
int coverage_prepare(void);

/* From here on sections with the request's handle are recorded. number: of the request. 0 or -errno. */
int coverage_begin(struct coverage *coverage, uint32_t number);

/* All sections have ended: writes "function N" for each function, N places reached, with a prefix to each line. */
void coverage_end(struct coverage *coverage, const char *prefix, FILE *out);

#endif
