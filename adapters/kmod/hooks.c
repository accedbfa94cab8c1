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

/* A level that the task on this CPU does not collect at. */
static __always_inline void count_level(uint32_t level)
{
	if (level & NMI_MASK)
		this_cpu_inc(covb_cpu.nmi);
	else if (level & HARDIRQ_MASK)
		this_cpu_inc(covb_cpu.hardirq);
}

/* The area that collects here: its count. NULL: none. */
static __always_inline u64 *find_area(struct covb_task **found, enum covbuf_mode mode)
{
	struct covb_task *task = this_cpu_read(covb_running);
	u64 *area = READ_ONCE(task->ctx.cursor[mode]);
	uint32_t level;

	if (likely(!area))
		return NULL;
	level = covb_level_now();
	if (unlikely(level != READ_ONCE(task->ctx.level))) {
		count_level(level);
		return NULL;
	}
	/* between the switch's tracepoint and the switch the pointer is the next task's */
	if (unlikely(READ_ONCE(task->task) != current))
		return NULL;
	*found = task;
	return area;
}

static __always_inline bool range_has(const struct covb_range *range, unsigned long ip)
{
	return ip - READ_ONCE(range->start) < READ_ONCE(range->bytes);
}

static __always_inline bool is_off(unsigned long ip)
{
	unsigned int nr = READ_ONCE(covb_nr_off);

	for (unsigned int i = 0; i < nr && i < COVB_MODULES_MAX; i++)
		if (range_has(&covb_off[i], ip))
			return true;
	return false;
}

/* Return addresses are at least the length of a call apart. */
#define CALL_BYTES (IS_ENABLED(CONFIG_X86_64) ? 5 : 4)

static __always_inline unsigned long site_of(unsigned long ip)
{
	unsigned int nr = READ_ONCE(covb_nr_text);

	for (unsigned int i = 0; i < nr && i < COVB_MODULES_MAX; i++)
		if (range_has(&covb_text[i], ip))
			return READ_ONCE(covb_text[i].first_site) + (ip - READ_ONCE(covb_text[i].start)) / CALL_BYTES;
	return COVB_NO_SITE;
}

/* Which record the next one is; false: it does not fit, and that is counted. */
static __always_inline bool claim(const struct covb_task *task, u64 *area, u64 *record)
{
	u64 capacity = READ_ONCE(task->ctx.capacity);

	*record = READ_ONCE(*area);
	if (unlikely(*record >= capacity)) {
		if (capacity)
			this_cpu_inc(covb_cpu.full);
		else
			this_cpu_inc(covb_cpu.no_area);
		return false;
	}
	WRITE_ONCE(*area, *record + 1);
	barrier(); /* same CPU: the reader is this task; KCOV's order */
	this_cpu_inc(covb_cpu.records);
	return true;
}

static __always_inline bool store_pc(const struct covb_task *task, u64 *area, unsigned long ip)
{
	u64 n;

	if (!claim(task, area, &n))
		return false;
	WRITE_ONCE(area[n + 1], ip - covb_kaslr_offset);
	return true;
}

/* Each site once. A site's bit is set when its record is stored, by this task or by the client. */
static __always_inline void trace_pc_unique(const struct covb_task *task, u64 *area, unsigned long ip)
{
	u64 *seen = (u64 *)READ_ONCE(task->ctx.seen), bit;
	unsigned long site = seen ? site_of(ip) : COVB_NO_SITE;

	if (site >= READ_ONCE(task->ctx.nr_seen)) { /* which is 0 where nothing is unique */
		store_pc(task, area, ip);
		return;
	}
	seen += site / 64;
	bit = 1ull << site % 64;
	if (!(READ_ONCE(*seen) & bit) && store_pc(task, area, ip))
		WRITE_ONCE(*seen, READ_ONCE(*seen) | bit);
}

static __always_inline void trace_pc(unsigned long ip)
{
	struct covb_task *task;
	u64 *area = find_area(&task, COVBUF_MODE_PC);

	if (likely(!area))
		return;
	if (static_branch_unlikely(&covb_filtering) && is_off(ip))
		return;
	if (static_branch_unlikely(&covb_unique))
		trace_pc_unique(task, area, ip);
	else
		store_pc(task, area, ip);
}

void notrace __sanitizer_cov_trace_pc(void)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_pc(_RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_pc);

static __always_inline void trace_cmp(u64 type, u64 arg1, u64 arg2, unsigned long ip)
{
	struct covb_task *task;
	u64 *area = find_area(&task, COVBUF_MODE_CMP), n;

	if (likely(!area))
		return;
	if (static_branch_unlikely(&covb_filtering) && is_off(ip))
		return;
	if (!claim(task, area, &n))
		return;
	area += 1 + n * COVBUF_CMP_WORDS;
	WRITE_ONCE(area[0], type);
	WRITE_ONCE(area[1], arg1);
	WRITE_ONCE(area[2], arg2);
	WRITE_ONCE(area[3], ip - covb_kaslr_offset);
}

void notrace __sanitizer_cov_trace_cmp1(u8 arg1, u8 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(0), arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp1);

void notrace __sanitizer_cov_trace_cmp2(u16 arg1, u16 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(1), arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp2);

void notrace __sanitizer_cov_trace_cmp4(u32 arg1, u32 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(2), arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp4);

void notrace __sanitizer_cov_trace_cmp8(u64 arg1, u64 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(3), arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_cmp8);

void notrace __sanitizer_cov_trace_const_cmp1(u8 arg1, u8 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(0) | COVBUF_CMP_CONST, arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp1);

void notrace __sanitizer_cov_trace_const_cmp2(u16 arg1, u16 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(1) | COVBUF_CMP_CONST, arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp2);

void notrace __sanitizer_cov_trace_const_cmp4(u32 arg1, u32 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(2) | COVBUF_CMP_CONST, arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp4);

void notrace __sanitizer_cov_trace_const_cmp8(u64 arg1, u64 arg2)
{
	if (static_branch_unlikely(&covb_collecting))
		trace_cmp(COVBUF_CMP_SIZE(3) | COVBUF_CMP_CONST, arg1, arg2, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_const_cmp8);

/* cases: how many, bits of the value, then the cases. A record each, as KCOV's. */
void notrace __sanitizer_cov_trace_switch(u64 value, void *cases)
{
	const u64 *words = cases;
	u64 type = COVBUF_CMP_CONST;

	if (!static_branch_unlikely(&covb_collecting))
		return;
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
		trace_cmp(type, words[2 + i], value, _RET_IP_);
}
EXPORT_SYMBOL(__sanitizer_cov_trace_switch);
