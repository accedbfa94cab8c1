// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables as large as a layout may have them, in a file that is mostly holes, and said in them what makes the
 * most work: all owners' queues in one circle, every process dead, every area at one place, a million threads
 * and modules. The work grows with the tables and not with their product: each reading has a limit of
 * processor time that is ten times what it needs, and a thousandth of what it would take else.
 *
 * huge COMMAND: the covbuf command, which reads such files too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covbuf/segment.h>

#define PART COVBUF_PART_BYTES
#define NR_PROCS 4094u
#define NR_OWNERS 65536u
#define NR_CONTEXTS (1u << 18)
#define NR_MODULES (1u << 18)
#define NR_AREAS (1u << 18)
#define MAX_SECONDS 60u

struct tables {
	struct covbuf_header *header;
	struct covbuf_proc *procs;
	struct covbuf_context_slot *contexts;
	struct covbuf_owner_slot *owners;
	struct covbuf_module *modules;
	struct covbuf_area *areas;
};

struct trouble {
	const char *name;
	uint64_t data_bytes;
	void (*make)(struct tables *t);
	const char *command; /* reads it as well; or NULL */
};

static void *place(char *base, struct covbuf_table *table, uint64_t *at, uint32_t nr, uint32_t entry_bytes)
{
	*table = (struct covbuf_table){ .offset_bytes = *at, .nr = nr, .entry_bytes = entry_bytes };
	*at += ((uint64_t)nr * entry_bytes + PART - 1) / PART * PART;
	return base ? base + table->offset_bytes : NULL;
}

static uint64_t lay_out(struct tables *t, struct covbuf_header *header, char *base)
{
	uint64_t at = PART;

	t->header = header;
	t->procs = place(base, &header->procs, &at, NR_PROCS, sizeof(*t->procs));
	t->contexts = place(base, &header->contexts, &at, NR_CONTEXTS, sizeof(*t->contexts));
	t->owners = place(base, &header->owners, &at, NR_OWNERS, sizeof(*t->owners));
	t->modules = place(base, &header->modules, &at, NR_MODULES, sizeof(*t->modules));
	t->areas = place(base, &header->areas, &at, NR_AREAS, sizeof(*t->areas));
	header->magic = COVBUF_MAGIC;
	header->version = COVBUF_VERSION;
	header->header_bytes = sizeof(*header);
	header->data_offset_bytes = at;
	header->nr_areas = NR_AREAS;
	return at;
}

static void make_file(const char *path, const struct trouble *trouble)
{
	struct covbuf_header plan = { 0 };
	struct tables t;
	uint64_t bytes = lay_out(&t, &plan, NULL) + trouble->data_bytes;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *base;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		exit(77);
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		exit(77);
	lay_out(&t, (struct covbuf_header *)(void *)base, base);
	t.header->limit_bytes = t.header->size_bytes = bytes;
	trouble->make(&t);
	munmap(base, bytes);
	close(fd);
}

/* ---- what makes work ------------------------------------------------------------------------- */

static void all_in_one_circle(struct tables *t)
{
	for (uint32_t i = 0; i < NR_OWNERS; i++)
		t->owners[i].queue = 1;
	for (uint32_t i = 0; i < NR_AREAS; i++)
		t->areas[i].next = (i + 1) % NR_AREAS + 1;
}

static void all_dead(struct tables *t)
{
	for (uint32_t i = 1; i < NR_PROCS; i++)
		t->procs[i].state = COVBUF_PROC_LIVE;
}

static void all_at_one_place(struct tables *t)
{
	for (uint32_t i = 0; i < NR_AREAS; i++)
		t->areas[i] = (struct covbuf_area){
			.flag = COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), .offset_bytes = t->header->data_offset_bytes,
			.area_class = COVBUF_NR_CLASSES - 1, .nr_words = covbuf_class_words(COVBUF_NR_CLASSES - 1),
			.owner = 1, .next = i, .pid = i,
		};
	t->owners[0].queue = NR_AREAS;
}

static void all_different(struct tables *t)
{
	for (uint32_t i = 0; i < NR_CONTEXTS; i++) {
		t->contexts[i].state = COVBUF_CONTEXT_LIVE | (uint64_t)(1 + i % (NR_PROCS - 1)) << 8;
		t->contexts[i].pid = i;
	}
	for (uint32_t i = 0; i < NR_MODULES; i++) {
		struct covbuf_module *module = &t->modules[i];

		*module = (struct covbuf_module){ .state = 2, .pid = 7, .start = (i + 1) * PART, .end = (i + 2) * PART,
						  .bias = (i + 1) * PART };
		snprintf(module->path, sizeof(module->path), "/nowhere/%u", i);
	}
	t->areas[0] = (struct covbuf_area){ .flag = COVBUF_FLAG(2, 1, COVBUF_AREA_ENDED), .pid = 7, .nr_words = 64,
					    .offset_bytes = t->header->data_offset_bytes };
}

/* ---- readers --------------------------------------------------------------------------------- */

static int ignore(const struct covbuf_batch *batch, void *arg)
{
	(void)batch, (void)arg;
	return 0;
}

static int drain(const char *path, const char *command)
{
	static const unsigned int flags[] = { 0, COVBUF_DRAIN_LIVE, COVBUF_DRAIN_AUDIT };
	struct covbuf_message why = { "" };
	struct covbuf_segment *segment;
	struct covbuf_drained drained;

	(void)command;
	if (covbuf_segment_open(path, COVBUF_OPEN_CONSUME, &segment, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		covbuf_drain(segment, flags[i], ignore, NULL, &drained);
	covbuf_segment_wait(segment, 0);
	covbuf_segment_close(segment);
	return 0;
}

static int ask(const char *path, const char *command)
{
	char line[512];

	/* a report of nowhere's binaries is a failure, and no crash */
	snprintf(line, sizeof(line), "for how in stat report 'export --lcov' 'merge -o %s.merged'; do '%s' $how %s; "
		 "[ $? -le 1 ] || exit 1; done > /dev/null 2>&1", path, command, path);
	return execl("/bin/sh", "sh", "-c", line, (char *)NULL);
}

/* In a process with a limit, which its children have too. */
static void read_within_limits(const char *name, const char *path, const char *command,
			       int (*body)(const char *path, const char *command))
{
	const struct rlimit limit = { MAX_SECONDS, MAX_SECONDS + 5 };
	struct rusage usage;
	int status;
	pid_t child = fork();

	if (!child) {
		setrlimit(RLIMIT_CPU, &limit);
		_exit(body(path, command));
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		exit(77);
	if (status) {
		fprintf(stderr, "%s: %s\n", name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it failed");
		unlink(path);
		exit(1);
	}
	printf("%s: %.1f s\n", name, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
					     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
	static const struct trouble troubles[] = {
		{ "all queues in one circle", PART, all_in_one_circle, NULL },
		{ "every process dead", PART, all_dead, NULL },
		{ "every area at one place", 128ull << 20, all_at_one_place, "" },
		{ "as many threads and modules as there may be", PART, all_different, "" },
	};
	char path[64], merged[80];

	snprintf(path, sizeof(path), "/var/tmp/covbuf-huge-%d", (int)getpid());
	snprintf(merged, sizeof(merged), "%s.merged", path);
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		make_file(path, &troubles[i]);
		if (argc > 1 && troubles[i].command)
			read_within_limits(troubles[i].name, path, argv[1], ask);
		read_within_limits(troubles[i].name, path, NULL, drain);
		unlink(path);
		unlink(merged);
	}
	return 0;
}
