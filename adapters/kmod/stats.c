// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What was recorded and what was lost, since the module was loaded: debugfs covbuf/stats, a name and a
 * value a line, and covbuf/cpus, a table. Each number is exact; together they are exact at rest. Records
 * are counted when they are merged into an owner's area, or when a local enable ends: hooks count none.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "kmod.h"

#define CPU_SUM(field)                                                                             \
	({                                                                                         \
		unsigned long sum_ = 0;                                                            \
		int cpu_;                                                                          \
                                                                                                   \
		for_each_possible_cpu(cpu_)                                                        \
			sum_ += READ_ONCE(per_cpu_ptr(&covb_cpu, cpu_)->field);                    \
		sum_;                                                                              \
	})

/* Of all contexts, and of those whose slot has another user by now. */
static uint64_t lost(enum covbuf_loss cause)
{
	uint64_t sum = covb_load(&covb_engine.procs[0].lost[cause]);

	for (uint32_t i = 0; i < covb_engine.nr_contexts; i++)
		sum += covb_load(&covb_engine.contexts[i].lost[cause]);
	return sum;
}

struct areas {
	uint32_t nr, nr_free, nr_held, nr_queued;
};

static void count_areas(struct areas *areas)
{
	for (uint32_t i = 0; i < covb_load_acquire(covb_engine.nr_areas); i++) {
		uint32_t state = COVBUF_FLAG_STATE(covb_load(&covb_engine.areas[i].flag));

		if (state == COVBUF_AREA_NONE || state == COVBUF_AREA_RETIRED)
			continue;
		areas->nr++;
		areas->nr_free += state == COVBUF_AREA_FREE;
		areas->nr_held += state == COVBUF_AREA_HELD;
		areas->nr_queued += state == COVBUF_AREA_QUEUED || state == COVBUF_AREA_READING;
	}
}

struct delivered {
	uint64_t records, stale, merge_lost;
};

static void count_delivered(struct delivered *sum)
{
	for (uint32_t i = 0; i < covb_engine.nr_owners; i++) {
		sum->records += covb_load(&covb_engine.owners[i].records);
		sum->stale += covb_load(&covb_engine.owner_slots[i].stale);
		sum->merge_lost += covb_load(&covb_engine.owner_slots[i].merge_lost);
	}
}

static void line(struct seq_file *file, const char *name, uint64_t value)
{
	seq_printf(file, "%-16s %llu\n", name, (unsigned long long)value);
}

static int stats_show(struct seq_file *file, void *unused)
{
	struct areas areas = {};
	struct delivered delivered = {};

	count_delivered(&delivered);
	count_areas(&areas);
	line(file, "records", delivered.records);
	line(file, "sections", CPU_SUM(sections));
	line(file, "lost_full", CPU_SUM(full) + lost(COVBUF_LOST_FULL));
	line(file, "lost_no_area", CPU_SUM(no_area) + lost(COVBUF_LOST_NO_AREA));
	line(file, "lost_unknown", lost(COVBUF_LOST_UNKNOWN));
	line(file, "lost_shut", lost(COVBUF_LOST_SHUT));
	line(file, "lost_level", CPU_SUM(level) + lost(COVBUF_LOST_LEVEL));
	line(file, "lost_abandoned", lost(COVBUF_LOST_ABANDONED));
	line(file, "lost_stale", lost(COVBUF_LOST_STALE) + delivered.stale);
	line(file, "lost_merge", delivered.merge_lost);
	line(file, "lost_hardirq", CPU_SUM(hardirq));
	line(file, "lost_nmi", CPU_SUM(nmi));
	line(file, "lost_contexts", covb_load(covb_engine.lost_contexts));
	line(file, "areas", areas.nr);
	line(file, "areas_free", areas.nr_free);
	line(file, "areas_held", areas.nr_held);
	line(file, "areas_queued", areas.nr_queued);
	line(file, "area_words", covbuf_class_bytes(covb_pool_class()) / 8);
	line(file, "contexts", covb_tasks_count());
	line(file, "owners", covb_devices_count());
	line(file, "owners_enabled", covb_devices_enabled());
	line(file, "collecting", static_key_enabled(&covb_collecting));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int cpus_show(struct seq_file *file, void *unused)
{
	int cpu;

	seq_puts(file, " cpu             full          no_area          hardirq              nmi         sections            level\n");
	for_each_possible_cpu(cpu) {
		const struct covb_cpu *c = per_cpu_ptr(&covb_cpu, cpu);

		seq_printf(file, "%4d %16lu %16lu %16lu %16lu %16lu %16lu\n", cpu, READ_ONCE(c->full), READ_ONCE(c->no_area), READ_ONCE(c->hardirq), READ_ONCE(c->nmi),
			   READ_ONCE(c->sections), READ_ONCE(c->level));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

static int kaslr_offset_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%lx\n", covb_kaslr_offset);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kaslr_offset);

void covb_stats_init(struct dentry *dir)
{
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file("cpus", 0400, dir, NULL, &cpus_fops);
	debugfs_create_file("kaslr_offset", 0400, dir, NULL, &kaslr_offset_fops);
}
