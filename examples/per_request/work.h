/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the server does for a request: the part that is instrumented. */
#ifndef PER_REQUEST_WORK_H
#define PER_REQUEST_WORK_H

#include <stddef.h>

struct work {
	char path[64];
	unsigned long argument;
	char answer[256];
};

/* "GET /primes?20000 HTTP/1.0" into a path and a number. 0, or -1: not a request. */
int parse_request(const char *text, struct work *work);

/* Does what the path says, into the answer. The HTTP status. */
int serve_request(struct work *work);

#endif
