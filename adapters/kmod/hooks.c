// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the compiler calls: at each basic block, and at each comparison.
 *
 * A hook runs wherever a module's code does, in NMI and between user_access_begin() and _end() too: it
 * calls nothing, locks nothing, and carries no instrumentation. While nobody collects it is a patched jump.
 * docs/kernel-power.md says what is different on POWER.
 *
 * Nothing that comes in between appends to the same area: what runs at another level finds that the
 * context's level is not its own, or has pushed a frame and popped it. So the append is KCOV's: the count,
 * then the record, for a reader in the same task. The count is tested before it is added to, because the
 * client may have stored anything there.
 */
#include <linux/export.h>

#include "kmod.h"

DEFINE_PER_CPU(struct covb_cpu, covb_cpu);

/* Rather than <linux/module.h>'s prototypes, which differ between kernels. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_cmp1(u8 arg1, u8 arg2);
void __sanitizer_cov_trace_cmp2(u16 arg1, u16 arg2);
void __sanitizer_cov_trace_cmp4(u32 arg1, u32 arg2);
void __sanitizer_cov_trace_cmp8(u64 arg1, u64 arg2);
void __sanitizer_cov_trace_const_cmp1(u8 arg1, u8 arg2);
void __sanitizer_cov_trace_const_cmp2(u16 arg1, u16 arg2);
void __sanitizer_cov_trace_const_cmp4(u32 arg1, u32 arg2);
void __sanitizer_cov_trace_const_cmp8(u64 arg1, u64 arg2);
void __sanitizer_cov_trace_switch(u64 value, void *cases);

/*
 * First of all, on POWER: whether memory may not be there. Where the kernel runs without address translation, it says that this is
 * an interrupt; so only if it says that, it matters, and what says it is in the task, to which the paca leads, with and without.
 */
static __always_inline bool is_blind(void)
{
#ifdef CONFIG_PPC64
	return unlikely(!covb_level_collects(covb_level_now())) && !(mfmsr() & MSR_DR);
#else
	return false;
#endif
}

/*
 * The context of the task that runs here, or another's: whoever uses it compares it with current. this_cpu_read(), where it is
 * more than an instruction, may end with a call of the scheduler; so here it is read again if the task was moved in between.
 */
static __always_inline const struct covb_task *running(void)
{
#ifdef CONFIG_X86
	return this_cpu_read(covb_running);
#else
	const struct covb_task *task;
	unsigned long cpu;

	do {
		cpu = __my_cpu_offset;
		barrier();
		task = READ_ONCE(*SHIFT_PERCPU_PTR(&covb_running, cpu));
		barrier();
	} while (IS_ENABLED(CONFIG_PREEMPTION) && unlikely(cpu != __my_cpu_offset));
	return task;
#endif
}

/*
 * Where the hook returns to. POWER's gcc takes __builtin_return_address() for a reason to save the link register, which
 * a function that calls nothing has untouched; tests/vm/count/hooks.sh looks at both.
 */
#ifdef CONFIG_PPC64
static __always_inline unsigned long caller(void)
{
	unsigned long ip;

	asm("mflr %0" : "=r"(ip));
	return ip;
}
#else
#define caller() _RET_IP_
#endif

/* No record: the area is full, or is none, or the mode is not collected. */
static __always_inline void count_full(const u64 *area)
{
	if (area == covb_shut_word)
		return;
	if (area == covb_void_word)
		covb_cpu_inc(no_area);
	else
		covb_cpu_inc(full);
}

/* Not the task and level that collect. Levels that never do are counted, where something collects. */
static __always_inline void count_level(const struct covb_task *task, enum covbuf_mode mode)
{
	uint32_t level = covb_level_now();

	if (READ_ONCE(task->ctx.cursor[mode]) == covb_shut_word)
		return;
	if (level & NMI_MASK)
		covb_cpu_inc(nmi);
	else if (level & HARDIRQ_MASK)
		covb_cpu_inc(hardirq);
}

/*
 * Where the next record goes: its area, and its number from 1, which the count now says is there. False:
 * nowhere. What is read of the context is this task's own, and what interrupts it puts back what it finds.
 */
static __always_inline bool claim(const struct covb_task *task, enum covbuf_mode mode, u64 **found, u64 *record)
{
	u64 *area, n;

	/* first: the area behind another task's cursor may be gone */
	if (unlikely(covb_collects(covb_level_now()) != task->ctx.collects)) {
		barrier(); /* the level is read anew: keeping it would cost those who pass */
		count_level(task, mode);
		return false;
	}
	area = READ_ONCE(task->ctx.cursor[mode]);
	n = READ_ONCE(*area);
	if (unlikely(n >= task->ctx.capacity)) {
		count_full(area);
		return false;
	}
	WRITE_ONCE(*area, ++n);
	barrier(); /* same CPU: the reader is this task; KCOV's order */
	*found = area;
	*record = n;
	return true;
}

static __always_inline bool store_pc(const struct covb_task *task, unsigned long ip)
{
	u64 *area, n;

	if (!claim(task, COVBUF_MODE_PC, &area, &n))
		return false;
	area[n] = ip - covb_kaslr_offset;
	return true;
}

static __always_inline void store_cmp(const struct covb_task *task, u64 type, u64 arg1, u64 arg2, unsigned long ip)
{
	u64 *area, n;

	if (!claim(task, COVBUF_MODE_CMP, &area, &n))
		return;
	area += 1 + (n - 1) * COVBUF_CMP_WORDS;
	area[0] = type;
	area[1] = arg1;
	area[2] = arg2;
	area[3] = ip - covb_kaslr_offset;
}

/*
 * The entry of the module that the address is in; the last one has every address. One that changes meanwhile is another
 * module's: that of the code that runs does not.
 */
static __always_inline const struct covb_text *find_text(unsigned long ip)
{
	const struct covb_text *text = covb_texts;

	for (;; text++) {
		unsigned long start = READ_ONCE(text->start), bytes = READ_ONCE(text->bytes);

		if (ip - start >= bytes)
			continue;
		smp_rmb(); /* partner: set_text(); the same twice are of one module */
		if (likely(READ_ONCE(text->start) == start && READ_ONCE(text->bytes) == bytes))
			return text;
	}
}

/* Calls are at least four bytes long, on x86 and on POWER, so no two sites have one number. */
static __always_inline unsigned long site_of(const struct covb_text *text, unsigned long ip)
{
	unsigned long first = READ_ONCE(text->first_site);

	return first == COVB_NO_SITE ? COVB_NO_SITE : first + ((ip - READ_ONCE(text->start)) >> 2);
}

/*
 * Where somebody wants less than everything. Unique: a site's bit is set when its record is stored, by this
 * task; but the client may write there, too.
 */
static __always_inline void trace_pc_special(const struct covb_task *task, unsigned long ip)
{
	const struct covb_text *text = find_text(ip);
	u64 *seen = (u64 *)READ_ONCE(task->ctx.seen), bit;
	unsigned long site;

	if (READ_ONCE(text->off))
		return;
	site = seen ? site_of(text, ip) : COVB_NO_SITE;
	if (covb_collects(covb_level_now()) != READ_ONCE(task->ctx.collects) || site >= READ_ONCE(task->ctx.nr_seen)) {
		store_pc(task, ip);
		return;
	}
	seen += site / 64;
	bit = 1ull << site % 64;
	if (!(READ_ONCE(*seen) & bit) && store_pc(task, ip))
		WRITE_ONCE(*seen, READ_ONCE(*seen) | bit);
}

static __always_inline void trace_cmp_special(const struct covb_task *task, u64 type, u64 arg1, u64 arg2,
					      unsigned long ip)
{
	if (!READ_ONCE(find_text(ip)->off))
		store_cmp(task, type, arg1, arg2, ip);
}

void notrace __sanitizer_cov_trace_pc(void)
{
	if (static_branch_unlikely(&covb_hooks_plain)) {
		if (!is_blind())
			store_pc(running(), caller());
	} else if (static_branch_unlikely(&covb_hooks_special)) {
		if (!is_blind())
			trace_pc_special(running(), caller());
	}
}
EXPORT_SYMBOL(__sanitizer_cov_trace_pc);

/* A macro: the operands are widened where somebody collects, and not before. */
#define TRACE_CMP(type, arg1, arg2)                                                                \
	do {                                                                                       \
		if (static_branch_unlikely(&covb_hooks_plain)) {                                   \
			if (!is_blind())                                                           \
				store_cmp(running(), (type), (arg1), (arg2), caller());            \
		} else if (static_branch_unlikely(&covb_hooks_special)) {                          \
			if (!is_blind())                                                           \
				trace_cmp_special(running(), (type), (arg1), (arg2), caller());    \
		}                                                                                  \
	} while (0)

void notrace __sanitizer_cov_trace_cmp1(u8 arg1, u8 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(0), arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp1);

void notrace __sanitizer_cov_trace_cmp2(u16 arg1, u16 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(1), arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp2);

void notrace __sanitizer_cov_trace_cmp4(u32 arg1, u32 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(2), arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp4);

void notrace __sanitizer_cov_trace_cmp8(u64 arg1, u64 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(3), arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp8);

void notrace __sanitizer_cov_trace_const_cmp1(u8 arg1, u8 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(0) | COVBUF_CMP_CONST, arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp1);

void notrace __sanitizer_cov_trace_const_cmp2(u16 arg1, u16 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(1) | COVBUF_CMP_CONST, arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp2);

void notrace __sanitizer_cov_trace_const_cmp4(u32 arg1, u32 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(2) | COVBUF_CMP_CONST, arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp4);

void notrace __sanitizer_cov_trace_const_cmp8(u64 arg1, u64 arg2)
{
	TRACE_CMP(COVBUF_CMP_SIZE(3) | COVBUF_CMP_CONST, arg1, arg2);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp8);

/* cases: how many, bits of the value, then the cases. A record each, as KCOV's. */
void notrace __sanitizer_cov_trace_switch(u64 value, void *cases)
{
	const u64 *words = cases;
	u64 type = COVBUF_CMP_CONST;

	if (!static_branch_unlikely(&covb_collecting) || is_blind())
		return; /* before the cases are looked at */
	switch (words[1]) {
	case 8:
		type |= COVBUF_CMP_SIZE(0);
		break;
	case 16:
		type |= COVBUF_CMP_SIZE(1);
		break;
	case 32:
		type |= COVBUF_CMP_SIZE(2);
		break;
	case 64:
		type |= COVBUF_CMP_SIZE(3);
		break;
	default:
		return;
	}
	for (u64 i = 0; i < words[0]; i++)
		TRACE_CMP(type, words[2 + i], value);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_switch);
