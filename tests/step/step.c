// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Trap flag and breakpoints: see step.h. There is one breakpoint at a time, that of the level which
 * runs; to pass an instruction before its turn, its byte is put back and the trap flag set for one step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "step.h"

#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

int step_init(void)
{
	return -ENOTSUP;
}

void step_skip(const void *function)
{
	(void)function;
}

void step_filter(bool (*wanted)(const uint8_t *address))
{
	(void)wanted;
}

int step_record(struct step_trace *trace, step_fn body)
{
	(void)trace;
	(void)body;
	return -ENOTSUP;
}

void step_trace_free(struct step_trace *trace)
{
	(void)trace;
}

uint32_t step_run(const struct step_plan *plan)
{
	plan->body[0]();
	return 0;
}

uint32_t step_level(void)
{
	return 0;
}

void step_pause(void)
{
}

void step_resume(void)
{
}

#else

#define TRAP_FLAG 0x100
#define TURNS_MAX 4
#define SKIPS_MAX 8

static struct {
	volatile uint32_t level;
	const struct step_plan *plan;
	uint32_t interrupted;
	uint32_t left[STEP_LEVELS]; /* occurrences to let pass */
	struct step_trace *recording;
	bool no_memory;
	uint32_t *turns; /* while recording: per byte of the program */
	const void *skip[SKIPS_MAX];
	bool (*wanted)(const uint8_t *address);
	uint8_t *breakpoint, *passing, *paused;
	uint8_t covered;
} step;

extern uint8_t __executable_start[], etext[], __start_step_text[], __stop_step_text[];

/* What is stepped through besides the body, and is not to be listed. */
#define OURS __attribute__((section("step_text"), noinline))

/* ---- breakpoint and trap flag ---------------------------------------------------------------- */

static void set_breakpoint(uint8_t *address)
{
	step.breakpoint = address;
	if (!address)
		return;
	step.covered = *address;
	*(volatile uint8_t *)address = 0xcc; /* int3 */
}

static void clear_breakpoint(void)
{
	if (step.breakpoint)
		*(volatile uint8_t *)step.breakpoint = step.covered;
	step.breakpoint = NULL;
}

/* Beyond the red zone, which may be in use. */
__attribute__((always_inline)) static inline void set_trap_flag(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
			 ::: "memory", "cc");
}

__attribute__((always_inline)) static inline void clear_trap_flag(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $-0x101, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
			 ::: "memory", "cc");
}

/* ---- recording ------------------------------------------------------------------------------- */

static void append(struct step_trace *to, uint8_t *address, uint32_t turn)
{
	if (to->nr == to->room) {
		uint32_t room = to->room ? 2 * to->room : 1024;
		/* not realloc(): the body may be in the middle of one */
		struct step_instruction *at = mmap(NULL, room * sizeof(*at), PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED) {
			step.no_memory = true;
			return;
		}
		if (to->at) {
			memcpy(at, to->at, to->nr * sizeof(*at));
			munmap(to->at, to->room * sizeof(*at));
		}
		to->at = at;
		to->room = room;
	}
	to->at[to->nr++] = (struct step_instruction){ address, turn };
}

static void record(uint8_t *address)
{
	uint32_t turn;

	if (address < __executable_start || address >= etext ||
	    (address >= __start_step_text && address < __stop_step_text) || (step.wanted && !step.wanted(address)))
		return;
	turn = step.turns[address - __executable_start]++;
	if (turn < TURNS_MAX)
		append(step.recording, address, turn);
}

static bool is_skipped(const void *address)
{
	for (uint32_t i = 0; i < SKIPS_MAX && step.skip[i]; i++)
		if (step.skip[i] == address)
			return true;
	return false;
}

static void record_or_skip(greg_t *regs)
{
	if (step.breakpoint) {
		clear_breakpoint();
		regs[REG_RIP]--;
		regs[REG_EFL] |= TRAP_FLAG;
	}
	if (is_skipped((void *)regs[REG_RIP])) {
		set_breakpoint(*(uint8_t **)regs[REG_RSP]); /* where it returns to */
		regs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	record((uint8_t *)regs[REG_RIP]);
}

/* ---- coming in ------------------------------------------------------------------------------- */

static void run_level(uint32_t level)
{
	const struct step_instruction *at = level < STEP_LEVELS - 1 ? step.plan->at[level] : NULL;

	if (at) {
		step.left[level] = at->occurrence;
		set_breakpoint(at->address);
	}
	step.plan->body[level]();
	clear_breakpoint();
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint32_t level = step.level;

	(void)number;
	(void)info;
	if (step.recording) {
		record_or_skip(regs);
		return;
	}
	if (step.passing) { /* the instruction below the breakpoint has been done */
		regs[REG_EFL] &= ~TRAP_FLAG;
		set_breakpoint(step.passing);
		step.passing = NULL;
		return;
	}
	regs[REG_RIP]--;
	if (step.left[level]) {
		step.left[level]--;
		step.passing = step.breakpoint;
		clear_breakpoint();
		regs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	clear_breakpoint();
	step.interrupted++;
	step.level = level + 1;
	run_level(level + 1);
	step.level = level;
}

/* ---- what a test calls ----------------------------------------------------------------------- */

int step_init(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uint8_t *text = __executable_start - (uintptr_t)__executable_start % page;

	if (!step.turns)
		step.turns = calloc((size_t)(etext - __executable_start), sizeof(*step.turns));
	if (!step.turns)
		return -ENOMEM;
	if (mprotect(text, (size_t)(etext - text), PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    sigaction(SIGTRAP, &action, NULL))
		return -errno;
	return 0;
}

void step_skip(const void *function)
{
	for (uint32_t i = 0; i < SKIPS_MAX; i++)
		if (!step.skip[i]) {
			step.skip[i] = function;
			return;
		}
	abort();
}

void step_filter(bool (*wanted)(const uint8_t *address))
{
	step.wanted = wanted;
}

OURS int step_record(struct step_trace *trace, step_fn body)
{
	trace->nr = 0;
	memset(step.turns, 0, (size_t)(etext - __executable_start) * sizeof(*step.turns));
	step.level = 0;
	step.no_memory = false;
	step.recording = trace;
	set_trap_flag();
	body();
	clear_trap_flag();
	step.recording = NULL;
	return step.no_memory ? -ENOMEM : 0;
}

void step_trace_free(struct step_trace *trace)
{
	if (trace->at)
		munmap(trace->at, trace->room * sizeof(*trace->at));
	*trace = (struct step_trace){ 0 };
}

uint32_t step_run(const struct step_plan *plan)
{
	step.plan = plan;
	step.level = 0;
	step.interrupted = 0;
	run_level(0);
	return step.interrupted;
}

OURS uint32_t step_level(void)
{
	return step.level;
}

OURS void step_pause(void)
{
	if (step.recording) {
		clear_trap_flag();
		return;
	}
	step.paused = step.breakpoint;
	clear_breakpoint();
}

OURS void step_resume(void)
{
	if (step.recording) {
		set_trap_flag();
		return;
	}
	set_breakpoint(step.paused);
	step.paused = NULL;
}

#endif
