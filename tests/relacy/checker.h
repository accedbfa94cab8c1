/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the driver and the checker offer one another. */
#ifndef COVB_RELACY_CHECKER_H
#define COVB_RELACY_CHECKER_H

#include "libcovbuf/platform/model/model.h"

#include "libcovbuf/platform/model/atomic.h"

#include <relacy/relacy.hpp>

/* They are meant for programs that are written for Relacy. */
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

/* What can be taken from an order; all of what is there is its order. */
enum {
	WEAKER_ACQUIRE = 1,
	WEAKER_RELEASE = 2,
	WEAKER_FULL = 4, /* of a full fence: what is left orders all but a store before a load */
};

uint8_t checker_orders(uint8_t op);
const char *checker_op_name(uint8_t op);

/* Put everything back: an execution begins. */
void checker_begin();

/* What the last execution failed with; "": what Relacy says. */
const char *checker_failure();

/* From now on threads run, or only one does. */
void checker_threads(bool run);

/* ---- checker.cpp, to the rest of the checker --------------------------------------------------- */

bool checker_threads_run();

/* Something is about to be stored there, and not by us. */
void checker_plain_store(const volatile void *p, size_t bytes);

/* ---- races.cpp --------------------------------------------------------------------------------- */

extern "C" {
extern char __start_covb_shared[], __stop_covb_shared[];
}

const size_t SHARED_BYTES = 32768;

enum place { PRIVATE, SHARED, HANDED };

place place_of(const volatile void *p);
size_t shared_offset(const volatile void *p);

void races_begin();

/* Of an access; SAME: it stored what was there. */
enum { PLAIN = 1, WRITE = 2, NR_KINDS = 4, SAME = 4 };

/* Note an access, and fail if it races. After the access itself, if it is an atomic one: what it acquired counts. */
void check(const volatile void *p, size_t bytes, int kind, const covb_model_site *site, const void *pc);

/* Write an access down, if the execution is. more: instead of the operation's name. */
void log(const covb_model_site *site, const volatile void *p, uint64_t value, const char *more = 0);

#endif
