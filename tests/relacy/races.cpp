// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two sections hold all that is looked at. What is *shared* has a history; what is *handed* from thread to
 * thread has none: every access there, atomic or not, is one that must not race, so there is one value. A race
 * is two accesses that nothing orders, of which one writes and one is plain.
 */
#include "checker.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
extern char __executable_start[], __start_covb_handed[], __stop_covb_handed[];
}

static const size_t HANDED_BYTES = 32768, GRAIN = 4;

/* ---- where ------------------------------------------------------------------------------------- */

/* Per grain of what is shared: handed all the same, in this execution. */
static uint8_t handed_here[SHARED_BYTES / GRAIN];

size_t shared_offset(const volatile void *p)
{
	return (size_t)((const volatile char *)p - __start_covb_shared);
}

static size_t handed_offset(const volatile void *p)
{
	return (size_t)((const volatile char *)p - __start_covb_handed);
}

place place_of(const volatile void *p)
{
	if (shared_offset(p) < (size_t)(__stop_covb_shared - __start_covb_shared))
		return handed_here[shared_offset(p) / GRAIN] ? HANDED : SHARED;
	return handed_offset(p) < (size_t)(__stop_covb_handed - __start_covb_handed) ? HANDED : PRIVATE;
}

/* ---- what is printed --------------------------------------------------------------------------- */

static const char *const op_names[COVB_MODEL_NR_OPS] = {
	"load", "load acquire", "store", "store release", "exchange acquire", "exchange acq_rel", "add", "add acq_rel",
	"or", "cas", "cas acquire", "cas release", "cas acq_rel", "fence release", "fence acquire", "fence", "fence after cas",
};

namespace {
struct access_event {
	const volatile void *p;
	uint64_t value;
	const char *what;

	void output(std::ostream &s) const
	{
		char name[64] = "";

		if (p)
			covb_model_name(const_cast<const void *>(p), name, sizeof(name));
		s << what << " " << name << " " << std::hex << value << std::dec;
	}
};
}

void log(const covb_model_site *site, const volatile void *p, uint64_t value, const char *more)
{
	rl::context &c = rl::ctx();

	if (!c.collecting_history())
		return;
	rl::debug_info info(site->function, site->file, site->line);
	access_event event = { p, value, more ? more : op_names[site->op] };
	c.exec_log(info, event);
}

static char failure[512];
/* ---- races ------------------------------------------------------------------------------------- */

namespace {
struct origin {
	const covb_model_site *site;
	const void *pc;
};

/*
 * When each thread last accessed a grain, in each of the four ways: by its own clock, and by how many accesses
 * there had been. What a thread stored that was there already it does not wait for others to have stored.
 */
struct shadow {
	uint64_t execution;
	rl::timestamp_t when[NR_KINDS][COVB_MODEL_NR_THREADS];
	uint64_t step[NR_KINDS][COVB_MODEL_NR_THREADS], same[COVB_MODEL_NR_THREADS];
	origin from[NR_KINDS][COVB_MODEL_NR_THREADS];
};
}

static shadow shadows[(SHARED_BYTES + HANDED_BYTES) / GRAIN];
static uint64_t execution, step;

static const char *describe(const origin &from, char *text, size_t bytes)
{
	if (from.site)
		std::snprintf(text, bytes, "%s:%u", from.site->file, from.site->line);
	else
		std::snprintf(text, bytes, "%#lx", (unsigned long)((const char *)from.pc - __executable_start) - 1);
	return text;
}

static void race(const volatile void *p, int kind, const origin &from, int other_kind, const origin &other)
{
	char name[64], a[128], b[128];

	covb_model_name(const_cast<const void *>(p), name, sizeof(name));
	std::snprintf(failure, sizeof(failure), "race on %s: %s%s at %s, %s%s at %s", name,
		      kind & PLAIN ? "plain " : "", kind & WRITE ? "write" : "read", describe(from, a, sizeof(a)),
		      other_kind & PLAIN ? "plain " : "", other_kind & WRITE ? "write" : "read",
		      describe(other, b, sizeof(b)));
	rl::ctx().fail_test(failure, rl::test_result_data_race, $);
}

/* Of two accesses at least one writes, and at least one is plain. */
static bool conflict(int a, int b)
{
	return ((a | b) & WRITE) && ((a | b) & PLAIN);
}

static void check_grain(shadow &s, const volatile void *p, int kind, const origin &from)
{
	rl::thread_info_base &thread = *rl::ctx().threadx_;

	if (s.execution != execution) {
		std::memset(&s, 0, sizeof(s));
		s.execution = execution;
	}
	for (int other = 0; other < NR_KINDS; other++)
		for (int i = 0; conflict(kind, other) && i < COVB_MODEL_NR_THREADS; i++)
			if (thread.acq_rel_order_[i] < s.when[other][i] && s.step[other][i] >= s.same[thread.index_])
				race(p, kind, from, other, s.from[other][i]);
	if (kind & SAME) {
		s.same[thread.index_] = step;
		return;
	}
	s.when[kind][thread.index_] = thread.own_acq_rel_order_;
	s.step[kind][thread.index_] = step;
	s.from[kind][thread.index_] = from;
}

/* After the access itself, if it is an atomic one: what it acquired counts. */
void check(const volatile void *p, size_t bytes, int kind, const covb_model_site *site, const void *pc)
{
	size_t offset = shared_offset(p) < SHARED_BYTES ? shared_offset(p) : SHARED_BYTES + handed_offset(p);
	origin from = { site, pc };

	step++;
	if (kind & PLAIN)
		rl::ctx().threadx_->own_acq_rel_order_++;
	for (size_t grain = offset / GRAIN; grain * GRAIN < offset + bytes; grain++)
		check_grain(shadows[grain], p, kind, from);
}

void races_begin()
{
	if ((size_t)(__stop_covb_shared - __start_covb_shared) > SHARED_BYTES ||
	    (size_t)(__stop_covb_handed - __start_covb_handed) > HANDED_BYTES) {
		std::fprintf(stderr, "relacy: more memory than races.cpp has room for\n");
		std::abort();
	}
	execution++;
	std::memset(handed_here, 0, sizeof(handed_here));
	failure[0] = 0;
}

void covb_model_hand(const void *p, uint64_t bytes)
{
	std::memset(&handed_here[shared_offset(p) / GRAIN], 1, bytes / GRAIN);
}

void covb_model_fail(const char *file, uint32_t line, const char *what)
{
	std::snprintf(failure, sizeof(failure), "%s:%u: %s", file, line, what);
	rl::ctx().fail_test(failure, rl::test_result_user_assert_failed, $);
}

const char *checker_failure()
{
	return failure;
}

const char *checker_op_name(uint8_t op)
{
	return op_names[op];
}
