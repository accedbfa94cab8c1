// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Goes each way that docs/power.md counts the instructions of, three times over: paths.sh counts the last, when
 * what is done once is done. Functions are named for their rows.
 */
#include <stdio.h>
#include <stdlib.h>

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

#define WAY(name) __attribute__((noipa)) static void way_##name
#define STAY() __asm__ volatile("" : : : "memory") /* nothing is called last, so all come back here */

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_cmp8(uint64_t arg1, uint64_t arg2);

static covbuf_token token;
static uint32_t guard;

WAY(trace_pc_shut)(void)
{
	__sanitizer_cov_trace_pc();
	STAY();
}

/* Of a section that has begun without an area. */
WAY(first_record)(void)
{
	__sanitizer_cov_trace_pc();
	STAY();
}

WAY(trace_pc)(void)
{
	__sanitizer_cov_trace_pc();
	STAY();
}

WAY(trace_pc_guard_shut)(void)
{
	__sanitizer_cov_trace_pc_guard(&guard);
	STAY();
}

WAY(trace_pc_guard)(void)
{
	__sanitizer_cov_trace_pc_guard(&guard);
	STAY();
}

WAY(trace_cmp8_shut)(void)
{
	__sanitizer_cov_trace_cmp8(3, 4);
	STAY();
}

WAY(trace_cmp8)(void)
{
	__sanitizer_cov_trace_cmp8(3, 4);
	STAY();
}

WAY(start)(uint64_t handle)
{
	token = covbuf_remote_start(handle);
	STAY();
}

WAY(start_elsewhere)(uint64_t handle)
{
	token = covbuf_remote_start(handle);
	STAY();
}

WAY(stop_without_records)(void)
{
	covbuf_remote_stop(token);
	STAY();
}

WAY(stop_with_records)(void)
{
	covbuf_remote_stop(token);
	STAY();
}

WAY(push)(struct covbuf_owner *owner)
{
	token = covbuf_push(owner);
	STAY();
}

WAY(pop)(void)
{
	covbuf_pop(token);
	STAY();
}

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: error %d\n", what, -err);
	exit(1);
}

static struct covbuf_owner *make(uint32_t mode, uint64_t handle)
{
	struct covbuf_owner_options options = { .mode = mode, .kind = COVBUF_LINEAR };
	struct covbuf_owner *owner = NULL;

	must(covbuf_owner_create(&options, &owner), "covbuf_owner_create");
	must(covbuf_remote_enable(owner, &handle, 1, 0), "covbuf_remote_enable");
	return owner;
}

int main(void)
{
	const uint64_t handle_pc = COVBUF_SUBSYSTEM_USER | 1, handle_cmp = COVBUF_SUBSYSTEM_USER | 2;
	struct covbuf_segment_options options = { .limit_bytes = 64u << 20 };
	struct covbuf_segment *segment;
	struct covbuf_owner *pc;

	must(covbuf_segment_create(NULL, &options, &segment, NULL), "covbuf_segment_create");
	must(covbuf_attach_segment(segment), "covbuf_attach_segment");
	must(covbuf_pool_grow(0, 64), "covbuf_pool_grow");
	pc = make(COVBUF_MODE_PC, handle_pc);
	make(COVBUF_MODE_CMP, handle_cmp);
	for (int i = 0; i < 3; i++) {
		way_trace_pc_shut();
		way_trace_pc_guard_shut();
		way_trace_cmp8_shut();
		way_start(handle_pc);
		way_stop_without_records();
		way_start(handle_pc);
		way_first_record();
		way_trace_pc();
		way_trace_pc_guard();
		way_stop_with_records();
		way_start_elsewhere(handle_cmp);
		way_trace_cmp8();
		way_stop_with_records();
		way_push(pc);
		way_pop();
		way_push(pc); /* finds free what it had last */
		way_pop();
	}
	return 0;
}
