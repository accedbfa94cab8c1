// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See victim.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libcovbuf/core/engine.h"
#include "victim.h"

struct victim victim;

static const struct covbuf_owner_options kinds[NR_KINDS] = {
	[PLAIN] = { .name = "plain" },
	[GROW] = { .flags = COVBUF_OWNER_GROW, .name = "grow" },
	[UNIQUE] = { .flags = COVBUF_OWNER_UNIQUE_CONTEXT, .name = "unique" },
	[RING] = { .kind = COVBUF_RING, .name = "ring" },
	[CMP] = { .mode = COVBUF_MODE_CMP, .name = "cmp" },
	[KCOV] = { .flags = COVBUF_OWNER_KCOV, .name = "kcov" },
	[GROW_CMP] = { .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_GROW, .name = "grow cmp" },
	[CMP_RING] = { .mode = COVBUF_MODE_CMP, .kind = COVBUF_RING, .name = "cmp ring" },
	[KEEP] = { .flags = COVBUF_OWNER_KEEP, .name = "keep" },
};

uint64_t victim_handle(uint32_t kind)
{
	return COVBUF_SUBSYSTEM_USER | (kind + 1);
}

static int make_owner(uint32_t kind)
{
	uint64_t handle = victim_handle(kind);
	int err = covbuf_owner_create(&kinds[kind], &victim.owner[kind]);

	return err ? err : covbuf_remote_enable(victim.owner[kind], &handle, 1, 0);
}

int victim_set_up(const struct operation *op)
{
	int err = 0;

	victim.pid = getpid();
	covb_sites_reserve(BOOKS_LEVELS);
	if (!op->unattached)
		err = covbuf_attach(victim.where[op->world]);
	for (uint32_t k = 0; k < NR_KINDS && !err; k++)
		if (op->kinds & 1u << k)
			err = make_owner(k);
	if (!err && op->set_up)
		op->set_up(op);
	return err;
}

/* ---- the one who comes afterwards ------------------------------------------------------------ */

static int section(uint32_t kind, uint32_t nr_records)
{
	covbuf_token token = covbuf_remote_start(victim_handle(kind));

	if (!token)
		return 1;
	books_emit_many(SUCCESSOR, 0, nr_records);
	return covbuf_remote_stop(token) != 0;
}

static int nested_sections(void)
{
	covbuf_token outer = covbuf_remote_start(victim_handle(GROW)), inner;
	int wrong = !outer;

	books_emit_many(SUCCESSOR, 0, 3);
	inner = covbuf_remote_start(victim_handle(CMP));
	wrong += !inner;
	books_emit_many(SUCCESSOR, 0, 3);
	wrong += covbuf_remote_stop(inner) != 0;
	books_emit_many(SUCCESSOR, 0, 3);
	return wrong + (covbuf_remote_stop(outer) != 0);
}

static int local_section(void)
{
	int wrong = covbuf_enable(victim.owner[PLAIN]) != 0;

	books_emit_many(SUCCESSOR, 0, 3);
	wrong += covbuf_disable_wait(victim.owner[PLAIN]) != 0;
	return wrong;
}

static int successor_asked(void)
{
	static const uint32_t used[] = { PLAIN, GROW, RING, CMP, KCOV };
	uint64_t *words, nr_words, ticket;
	int wrong = 0;

	for (uint32_t k = 0; k < sizeof(used) / sizeof(used[0]); k++)
		wrong += make_owner(used[k]) != 0;
	for (uint32_t k = 0; k < sizeof(used) / sizeof(used[0]) && !wrong; k++)
		wrong += section(used[k], 4);
	wrong += nested_sections();
	wrong += local_section();
	wrong += covbuf_owner_target(victim.owner[KCOV], &words, &nr_words) || words[0] != 4;
	wrong += covbuf_area_take(0, &words, &nr_words, &ticket) || words[0] || covbuf_area_give(ticket);
	wrong += covbuf_detach() != 0;
	return wrong;
}

static int successor_automatic(void)
{
	books_emit_unborn(SUCCESSOR, 0);
	books_emit_many(SUCCESSOR, 0, 3);
	return covbuf_detach() != 0 || books->made[SUCCESSOR][0].done != 4;
}

int successor_work(enum victim_world world)
{
	if (covbuf_attach(victim.where[world]))
		return 1;
	return world == ASKED ? successor_asked() : successor_automatic();
}
