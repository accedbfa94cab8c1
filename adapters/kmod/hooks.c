// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the compiler calls: at each basic block, and at each comparison.
 *
 * A hook runs wherever a module's code does, in NMI and between user_access_begin() and _end() too: it
 * calls nothing, locks nothing, and carries no instrumentation. While nobody collects it is a patched jump.
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

/* No record: the area is full, or is none, or the mode is not collected. */
static __always_inline void count_full(const u64 *area)
{
	if (area == covb_shut_word)
		return;
	if (area == covb_void_word)
		this_cpu_inc(covb_cpu.no_area);
	else
		this_cpu_inc(covb_cpu.full);
}

/* Not the task and level that collect. Levels that never do are counted, where something collects. */
static __always_inline void count_level(const struct covb_task *task, enum covbuf_mode mode)
{
	uint32_t level = covb_level_now();

	if (READ_ONCE(task->ctx.cursor[mode]) == covb_shut_word)
		return;
	if (level & NMI_MASK)
		this_cpu_inc(covb_cpu.nmi);
	else if (level & HARDIRQ_MASK)
		this_cpu_inc(covb_cpu.hardirq);
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

/* The entry of the module that the address is in; the last one has every address. */
static __always_inline const struct covb_text *find_text(unsigned long ip)
{
	const struct covb_text *text = covb_texts;

	while (ip - READ_ONCE(text->start) >= READ_ONCE(text->bytes))
		text++;
	return text;
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
	if (static_branch_unlikely(&covb_hooks_plain))
		store_pc(this_cpu_read(covb_running), _RET_IP_);
	else if (static_branch_unlikely(&covb_hooks_special))
		trace_pc_special(this_cpu_read(covb_running), _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_pc);

/* A macro: the operands are widened where somebody collects, and not before. */
#define TRACE_CMP(type, arg1, arg2)                                                                \
	do {                                                                                       \
		if (static_branch_unlikely(&covb_hooks_plain))                                     \
			store_cmp(this_cpu_read(covb_running), (type), (arg1), (arg2), _RET_IP_);  \
		else if (static_branch_unlikely(&covb_hooks_special))                              \
			trace_cmp_special(this_cpu_read(covb_running), (type), (arg1), (arg2),     \
					  _RET_IP_);                                               \
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

	if (!static_branch_unlikely(&covb_collecting))
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
