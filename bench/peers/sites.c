/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The instrumented part of every program here: a loop that visits EVENT_SITES places, compiled with the peer's
 * flags.
 *
 * Seven conditions hold and one jump goes back, which is eight edges that a compiler has to count each time round.
 * What it counts lies in memory at each of them, as it would in a program whose loop is not this small.
 */
#include "event.h"

#if defined(EVENT_RECORD)
#include EVENT_RECORD
#else
#define RECORD(number)
#endif

/*
 * What is counted has to be in memory here. Not volatile: to gcc that might not return, which is another edge to count.
 */
#define HERE() __asm__("" : "+r"(mask) : : "memory")

#define SITE(number)                                                                                       \
	if (mask & 1u << (number)) {                                                                       \
		RECORD(number);                                                                            \
		HERE();                                                                                    \
	}

void event_visit(uint64_t nr_rounds, uint32_t mask)
{
	do {
		SITE(0) SITE(1) SITE(2) SITE(3) SITE(4) SITE(5) SITE(6)
		RECORD(7);
		HERE();
	} while (--nr_rounds);
}
