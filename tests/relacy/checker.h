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

#endif
