// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Trap flag and breakpoints: see step.h. There is one breakpoint at a time, that of the level which
 * runs; to pass an instruction before its turn, its byte is put back and the trap flag set for one step.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
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
#define LOOP_TURNS 8	   /* of a loop, before it is run to its end */
#define HISTORY_MAX 8192   /* instructions */
#define EXITS_MAX 64

static struct {
	pthread_t thread; /* that is interrupted; the same in a fork child */
	volatile uint32_t level;
	const struct step_plan *plan;
	uint32_t interrupted;
	bool is_then;
	uint32_t left[STEP_LEVELS]; /* occurrences to let pass */
	struct step_trace *recording;
	bool no_memory;
	uint8_t *text, *text_end; /* the program's segment of instructions */
	uint32_t *turns;	  /* while recording: for each byte of it */
	const void *skip[SKIPS_MAX];
	bool (*wanted)(const uint8_t *address);
	uint8_t *breakpoint, *passing, *paused;
	uint8_t covered;
	/* while recording: what was stepped through last, and where a loop that runs freely may be left */
	struct {
		uint8_t *address;
		greg_t stack;
	} history[HISTORY_MAX];
	uint64_t nr_history;
	struct {
		uint8_t *address, covered;
	} exits[EXITS_MAX];
	uint32_t nr_exits;
} step;

extern uint8_t __start_step_text[], __stop_step_text[];

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

static bool is_in_program(const uint8_t *address)
{
	return address >= step.text && address < step.text_end;
}

static void record(uint8_t *address, greg_t stack)
{
	uint32_t turn;

	if (!is_in_program(address) ||
	    (address >= __start_step_text && address < __stop_step_text) || (step.wanted && !step.wanted(address)))
		return;
	turn = step.turns[address - step.text]++;
	step.history[step.nr_history % HISTORY_MAX].address = address;
	step.history[step.nr_history++ % HISTORY_MAX].stack = stack;
	if (turn < TURNS_MAX)
		append(step.recording, address, turn);
}

/*
 * A loop that has been stepped through LOOP_TURNS times runs freely until it is left: its instructions are
 * known by then, none of them returned from its function, and so it is left by a conditional jump whose
 * other way was never gone. Copying 64 KiB would take minutes otherwise.
 */
static bool is_in_loop(const uint8_t *address, uint64_t from)
{
	for (uint64_t i = from; i < step.nr_history; i++)
		if (step.history[i % HISTORY_MAX].address == address)
			return true;
	return false;
}

static void add_exit(uint8_t *address, uint64_t from)
{
	if (is_in_loop(address, from))
		return;
	for (uint32_t i = 0; i < step.nr_exits; i++)
		if (step.exits[i].address == address)
			return;
	if (step.nr_exits < EXITS_MAX)
		step.exits[step.nr_exits].address = address;
	step.nr_exits++;
}

static void find_exits(uint64_t from)
{
	for (uint64_t i = from; i < step.nr_history; i++) {
		uint8_t *at = step.history[i % HISTORY_MAX].address;
		int32_t far;

		if ((at[0] & 0xf0) == 0x70) {
			add_exit(at + 2, from);
			add_exit(at + 2 + (int8_t)at[1], from);
		} else if (at[0] == 0x0f && (at[1] & 0xf0) == 0x80) {
			memcpy(&far, at + 2, sizeof(far));
			add_exit(at + 6, from);
			add_exit(at + 6 + far, from);
		}
	}
}

static bool run_freely(uint8_t *address, greg_t stack)
{
	const uint64_t oldest = step.nr_history > HISTORY_MAX ? step.nr_history - HISTORY_MAX : 0;
	uint32_t seen = 0;
	uint64_t i;

	if (!is_in_program(address) || step.turns[address - step.text] <= LOOP_TURNS)
		return false;
	for (i = step.nr_history; i > oldest && seen <= LOOP_TURNS; i--) {
		if (step.history[(i - 1) % HISTORY_MAX].stack > stack)
			return false;
		seen += step.history[(i - 1) % HISTORY_MAX].address == address;
	}
	if (seen <= LOOP_TURNS)
		return false;
	step.nr_exits = 0;
	find_exits(i);
	if (step.nr_exits > EXITS_MAX || !step.nr_exits) {
		step.nr_exits = 0;
		return false;
	}
	for (uint32_t e = 0; e < step.nr_exits; e++) {
		step.exits[e].covered = *step.exits[e].address;
		*(volatile uint8_t *)step.exits[e].address = 0xcc;
	}
	return true;
}

static void close_exits(void)
{
	for (uint32_t e = 0; e < step.nr_exits; e++)
		*(volatile uint8_t *)step.exits[e].address = step.exits[e].covered;
	step.nr_exits = 0;
}

/* What is run to its end: what the test names, and functions of libraries that the program calls. */
static bool is_skipped(uint8_t *address, uint8_t *returns_to)
{
	if (!is_in_program(address))
		return is_in_program(returns_to);
	for (uint32_t i = 0; i < SKIPS_MAX && step.skip[i]; i++)
		if (step.skip[i] == address)
			return true;
	return false;
}

static void record_or_skip(greg_t *regs)
{
	uint8_t *returns_to;

	if (step.breakpoint || step.nr_exits) {
		clear_breakpoint();
		close_exits();
		regs[REG_RIP]--;
		regs[REG_EFL] |= TRAP_FLAG;
	}
	returns_to = *(uint8_t **)regs[REG_RSP]; /* if this is the first instruction of a function */
	if (is_skipped((uint8_t *)regs[REG_RIP], returns_to)) {
		set_breakpoint(returns_to);
		regs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	record((uint8_t *)regs[REG_RIP], regs[REG_RSP]);
	if (run_freely((uint8_t *)regs[REG_RIP], regs[REG_RSP]))
		regs[REG_EFL] &= ~TRAP_FLAG;
}

/* ---- coming in ------------------------------------------------------------------------------- */

static void come_in_at(uint32_t level, const struct step_instruction *at)
{
	step.left[level] = at->occurrence;
	set_breakpoint(at->address);
}

static void run_level(uint32_t level)
{
	const struct step_instruction *at = level < STEP_LEVELS - 1 ? step.plan->at[level] : NULL;

	if (at)
		come_in_at(level, at);
	step.plan->body[level]();
	clear_breakpoint();
}

static void interrupt(uint32_t level)
{
	const bool is_then = level == 0 && step.is_then;

	step.interrupted++;
	step.level = level + 1;
	if (is_then)
		step.plan->then();
	else
		run_level(level + 1);
	step.level = level;
	if (level || is_then || !step.plan->then)
		return;
	step.is_then = true;
	come_in_at(0, &step.plan->then_at);
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint32_t level = step.level;

	(void)number;
	(void)info;
	if (!pthread_equal(pthread_self(), step.thread)) {
		/* liburcu's, say, that calls back: it waits until there is no breakpoint here */
		regs[REG_RIP]--;
		sched_yield();
		return;
	}
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
	interrupt(level);
}

/* ---- what a test calls ----------------------------------------------------------------------- */

/* The first object is the program. */
static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (uint32_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
			continue;
		step.text = (uint8_t *)(info->dlpi_addr + header->p_vaddr);
		step.text_end = step.text + header->p_memsz;
	}
	return 1;
}

int step_init(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first;

	dl_iterate_phdr(find_text, NULL);
	if (!step.turns)
		step.turns = calloc((size_t)(step.text_end - step.text), sizeof(*step.turns));
	if (!step.turns)
		return -ENOMEM;
	first = (uintptr_t)step.text & ~(page - 1);
	if (mprotect((void *)first, (uintptr_t)step.text_end - first, PROT_READ | PROT_WRITE | PROT_EXEC) ||
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
	step.thread = pthread_self();
	memset(step.turns, 0, (size_t)(step.text_end - step.text) * sizeof(*step.turns));
	step.level = 0;
	step.nr_history = 0;
	step.no_memory = false;
	step.recording = trace;
	set_trap_flag();
	body();
	clear_trap_flag();
	close_exits();
	clear_breakpoint();
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
	step.thread = pthread_self();
	step.level = 0;
	step.interrupted = 0;
	step.is_then = false;
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
		close_exits();
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
