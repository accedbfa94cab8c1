/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inline counters and flags need no runtime but what their constructors call. */
#include <stdint.h>

#include "event.h"

void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end);
void __sanitizer_cov_bool_flag_init(uint8_t *start, uint8_t *end);

static uint8_t *counters, *counters_end;

void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end)
{
	counters = start;
	counters_end = end;
}

void __sanitizer_cov_bool_flag_init(uint8_t *start, uint8_t *end)
{
	(void)start;
	(void)end;
}

void event_prepare(void)
{
	for (uint8_t *counter = counters; counter < counters_end; counter++)
		*counter = 0;
}

/* They wrap: what each has counted of a pass, modulo 256, is all that is known. It is all rounds, or none. */
uint64_t event_count(void)
{
	uint64_t nr_events = 0;

	for (uint8_t *counter = counters; counter < counters_end; counter++)
		if (*counter == EVENT_ROUNDS % 256 || *counter == (EVENT_ROUNDS - 1) % 256)
			nr_events += EVENT_ROUNDS;
	return nr_events;
}
