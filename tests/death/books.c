// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See books.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/covbuf.h>

#include "books.h"
#include "tests/stress/emit.h"

struct books *books;

void books_fail(const char *format, ...)
{
	va_list args;

	if (__atomic_fetch_add(&books->errors, 1, __ATOMIC_RELAXED) >= 20)
		return;
	va_start(args, format);
	fputs("FAIL: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

int books_init(void)
{
	books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return books == MAP_FAILED ? -1 : 0;
}

void books_new_round(uint32_t round)
{
	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			memset(books->given[p][l], 0, books->made[p][l].begun);
	memset(books->made, 0, sizeof(books->made));
	books->round = round % STAMP_ROUNDS;
	books->phase = 0;
	books->foreign = false;
	books->came = false;
}

void books_set_phase(uint32_t phase)
{
	covb_store_release(&books->phase, phase);
	syscall(SYS_futex, &books->phase, FUTEX_WAKE, 16, NULL, NULL, 0);
}

void books_wait_for_phase(uint32_t phase)
{
	const struct timespec timeout = { .tv_sec = 50 };
	uint32_t seen;

	while ((seen = covb_load_acquire(&books->phase)) != phase)
		if (syscall(SYS_futex, &books->phase, FUTEX_WAIT, seen, &timeout, NULL, 0) && errno == ETIMEDOUT) {
			books_fail("nobody comes to phase %u", phase);
			return;
		}
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool stamp_next(enum books_process process, uint32_t level, uint64_t *pc)
{
	const struct stamp stamp = {
		.thread = process, .level = level, .round = books->round,
		.section = books->made[process][level].section, .number = books->made[process][level].begun,
	};

	*pc = stamp_make(&stamp);
	return stamp.number < BOOKS_NUMBERS;
}

static void begin(enum books_process process, uint32_t level)
{
	covb_store(&books->made[process][level].begun, books->made[process][level].begun + 1);
	covb_barrier(); /* begun in the books before it is begun */
}

static void end(enum books_process process, uint32_t level)
{
	covb_barrier();
	covb_store(&books->made[process][level].done, books->made[process][level].begun);
}

bool books_emit(enum books_process process, uint32_t level)
{
	const struct covbuf_context *ctx = covbuf_context();
	uint64_t pc;

	if (!stamp_next(process, level, &pc) ||
	    (!emit_collects(ctx, COVBUF_MODE_PC) && !emit_collects(ctx, COVBUF_MODE_CMP)))
		return false;
	begin(process, level);
	emit_one(pc);
	end(process, level);
	return true;
}

void books_emit_many(enum books_process process, uint32_t level, uint32_t n)
{
	while (n-- && books_emit(process, level))
		;
}

bool books_emit_site(enum books_process process, uint32_t level, uint32_t *mark)
{
	const struct covbuf_context *ctx = covbuf_context();
	uint64_t pc;

	if (!stamp_next(process, level, &pc) || !emit_collects(ctx, COVBUF_MODE_PC) || emit_seen(ctx, mark, level))
		return false;
	begin(process, level);
	covbuf_trace_pc_site(mark, level, pc);
	end(process, level);
	return true;
}

void books_emit_unborn(enum books_process process, uint32_t level)
{
	uint64_t pc;

	if (!stamp_next(process, level, &pc))
		return;
	begin(process, level);
	covbuf_trace_pc(pc);
	end(process, level);
}

uint32_t books_enter(enum books_process process, uint32_t level, covbuf_token token)
{
	struct books_made *made = &books->made[process][level];
	uint32_t outer = made->section;

	if (token && made->nr_sections + 1 < BOOKS_SECTIONS) {
		made->token[++made->nr_sections] = token;
		made->section = made->nr_sections;
	}
	return outer;
}

void books_leave(enum books_process process, uint32_t level, uint32_t outer)
{
	books->made[process][level].section = outer;
}

/* ---- finding --------------------------------------------------------------------------------- */

void books_forget(struct books_found *found)
{
	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			memset(found->times[p][l], 0, found->nr_times[p][l]);
	memset(found->nr_times, 0, sizeof(found->nr_times));
	found->records = 0;
	found->again = 0;
	found->nr_again_areas = 0;
	found->again_token = 0;
	found->again_serial = 0;
	found->ring_token = 0;
}

static bool read_stamp(const uint64_t *record, uint32_t mode, struct stamp *s)
{
	uint64_t pc = record[mode == COVBUF_MODE_CMP ? 3 : 0];

	if (books->foreign && pc >> 62 != 1)
		return false;
	if (!stamp_read(pc, s) || s->thread >= BOOKS_PROCESSES || s->level >= BOOKS_LEVELS ||
	    s->round != books->round || s->number >= books->made[s->thread][s->level].begun ||
	    s->number >= BOOKS_NUMBERS) {
		books_fail("%#lx was never emitted (round %u)", pc, books->round);
		return false;
	}
	if (!stamp_whole(record, mode)) {
		books_fail("%#lx is torn: %#lx %#lx %#lx", pc, record[0], record[1], record[2]);
		return false;
	}
	return true;
}

/* Returns whether it was found before. */
static bool note_number(struct books_found *found, uint32_t process, uint32_t level, uint32_t number)
{
	if (number >= found->nr_times[process][level])
		found->nr_times[process][level] = number + 1;
	if (found->times[process][level][number]++)
		return true;
	found->records++;
	return false;
}

static uint64_t token_of(const struct stamp *s)
{
	return s->section < BOOKS_SECTIONS ? books->made[s->thread][s->level].token[s->section] : 0;
}

void books_note(struct books_found *found, const uint64_t *record, uint32_t mode, uint64_t token, uint32_t serial)
{
	struct stamp s;

	if (!read_stamp(record, mode, &s))
		return;
	if (token && s.section && token_of(&s) != token)
		books_fail("number %u of level %u is not in its section, but in that of %#lx", s.number, s.level,
			   token);
	if (!note_number(found, s.thread, s.level, s.number))
		return;
	found->again++;
	found->first_again = record[mode == COVBUF_MODE_CMP ? 3 : 0];
	if (found->nr_again_areas && found->again_token == token && found->again_serial == serial)
		return;
	found->nr_again_areas++;
	found->again_token = token;
	found->again_serial = serial;
}

static bool is_record(uint64_t pc)
{
	return pc && !(pc & COVBUF_NOT_A_RECORD);
}

/* A ring gives its records in the order in which they were made, whoever takes them. */
static void check_order(struct books_found *found, uint64_t pc, uint64_t token)
{
	struct stamp s;
	int64_t *last;

	if (!stamp_read(pc, &s))
		return;
	if (token != found->ring_token)
		memset(found->ring_number, 0xff, sizeof(found->ring_number));
	found->ring_token = token;
	if (s.thread >= BOOKS_PROCESSES || s.level >= BOOKS_LEVELS)
		return;
	last = &found->ring_number[s.thread][s.level];
	if (s.number <= *last)
		books_fail("number %u of a ring comes after %ld", s.number, *last);
	*last = s.number;
}

int books_note_batch(const struct covbuf_batch *batch, void *arg)
{
	struct books_found *found = arg;
	uint64_t token = batch->kind == COVBUF_COUNTED ? 0 : batch->token;
	uint64_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	for (uint64_t i = 0; i + step <= batch->nr_words; i += step)
		if (is_record(batch->words[i + step - 1])) {
			if (batch->kind == COVBUF_RING)
				check_order(found, batch->words[i + step - 1], batch->token);
			books_note(found, &batch->words[i], batch->mode, token, batch->serial);
		}
	return 0;
}

int books_give_batch(const struct covbuf_batch *batch, void *arg)
{
	uint64_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	struct stamp s;

	(void)arg;
	for (uint64_t i = 0; i + step <= batch->nr_words; i += step)
		if (is_record(batch->words[i + step - 1]) && read_stamp(&batch->words[i], batch->mode, &s))
			books->given[s.thread][s.level][s.number]++;
	return 0;
}

/* Before what is found afterwards: an area that is given again counts as that. */
void books_add_given(struct books_found *found)
{
	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			for (uint32_t n = 0; n < books->made[p][l].begun; n++) {
				if (books->given[p][l][n] > 1)
					books_fail("process %u level %u number %u was given twice to one collector",
						   p, l, n);
				if (books->given[p][l][n])
					note_number(found, p, l, n);
			}
}

uint64_t books_begun(void)
{
	uint64_t sum = 0;

	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			sum += books->made[p][l].begun;
	return sum;
}

uint64_t books_open(void)
{
	uint64_t sum = 0;

	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			sum += books->made[p][l].begun - books->made[p][l].done;
	return sum;
}
