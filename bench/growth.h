/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the parts of growth: series whose points are processes. */
#ifndef COVB_BENCH_GROWTH_H
#define COVB_BENCH_GROWTH_H

#include "engine.h"

#define GROWTH_MAX_VARIANTS 128
#define NR_LOOKUPS 20000
#define NR_PAIRS 2000

/* Of the series that is being measured; variants of one x stand together. */
extern struct bench_variant growth_variants[GROWTH_MAX_VARIANTS];
extern uint32_t growth_nr_variants;

/* One point after another. */
void growth_add(const struct bench_variant *of, uint32_t nr, const double *x, uint32_t nr_x);
/* With --quick without the last ones, which take long; to see whether it runs, the first. */
uint32_t growth_some(uint32_t nr_x, uint32_t nr_long);
/* Memory that would be touched. NULL: it is there. */
const char *growth_too_much(uint64_t bytes);
/* Takes an area, writes a word, zeroes it, gives the area back; *arg: its class. */
uint64_t growth_pass_take(const struct bench_variant *variant, uint32_t thread);

/* growth_tables.c */
void grow_handles(void);
void grow_owners(void);
void grow_areas(void);

#endif
