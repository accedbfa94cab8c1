/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the process of a slot is gone, so that what it held can be taken back.
 *
 * Two signs must agree. Its lock must be free: that is the kernel's word, and exec, exit and kill all
 * free it; but so does a daemon that closes every descriptor. And its pid must be gone, or be of a later
 * process, or no longer map the segment; but a pid stays through exec, and is known by another number in
 * another namespace. What cannot be found out counts as alive: areas that are kept too long are a
 * loss of room, areas taken from the living are wrong records.
 *
 * Of another pid namespace we see the processes only from outside it; from inside, a daemon outside
 * that has closed our descriptors looks dead.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "liveness.h"
#include "shm.h"

enum answer { NO, YES, UNKNOWN };

/* The segment's file as /proc/PID/maps names it: not every file system shows there what stat() says. */
struct identity {
	unsigned int major, minor;
	uint64_t inode;
};

struct maps_line {
	uint64_t start, end;
	struct identity file;
};

static bool parse_maps_line(const char *line, struct maps_line *out)
{
	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %x:%x %" SCNu64, &out->start, &out->end, &out->file.major,
		      &out->file.minor, &out->file.inode) == 5;
}

int covb_start_ticks(uint32_t pid, uint64_t *ticks)
{
	char path[32], text[1024], *field;
	ssize_t length;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	err = errno;
	close(fd);
	if (length < 0)
		return err == ESRCH ? -ENOENT : -err;
	text[length] = 0;
	field = strrchr(text, ')'); /* the name before it may hold anything */
	for (int i = 2; field && i < 22; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	return field && sscanf(field, "%" SCNu64, ticks) == 1 ? 0 : -EIO;
}

uint32_t covb_pid_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) ? 0 : (uint32_t)status.st_ino;
}

static bool identify_mapping(const struct covbuf_segment *segment, struct identity *out)
{
	uint64_t base = (uint64_t)(uintptr_t)segment->base;
	struct maps_line found;
	bool done = false;
	char *line = NULL;
	size_t room = 0;
	FILE *maps;

	*out = (struct identity){ major(segment->device), minor(segment->device), segment->inode };
	if (!segment->base)
		return true;
	maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return false;
	while (!done && getline(&line, &room, maps) > 0)
		done = parse_maps_line(line, &found) && found.start <= base && base < found.end;
	if (done)
		*out = found.file;
	free(line);
	fclose(maps);
	return done;
}

/* *nr_lines: how many there were; 0: no memory at all, a zombie or a kernel thread. */
static enum answer look_for_mapping(const char *path, const struct identity *file, unsigned int *nr_lines)
{
	FILE *maps = fopen(path, "re");
	enum answer answer = NO;
	struct maps_line found;
	char *line = NULL;
	size_t room = 0;

	*nr_lines = 0;
	if (!maps)
		return errno == ENOENT || errno == ESRCH ? NO : UNKNOWN;
	while (answer == NO && getline(&line, &room, maps) > 0) {
		(*nr_lines)++;
		if (parse_maps_line(line, &found) && found.file.inode == file->inode && found.file.major == file->major &&
		    found.file.minor == file->minor)
			answer = YES;
	}
	if (answer == NO && ferror(maps) && errno != ESRCH)
		answer = UNKNOWN;
	free(line);
	fclose(maps);
	return answer;
}

/* The first thread may have ended before the others: its maps are empty then, and theirs are not. */
static enum answer look_in_threads(uint32_t pid, const struct identity *file)
{
	enum answer answer = NO;
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return errno == ENOENT || errno == ESRCH ? NO : UNKNOWN;
	while (answer == NO && (entry = readdir(tasks))) {
		unsigned int nr_lines;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%.16s/maps", pid, entry->d_name);
		answer = look_for_mapping(path, file, &nr_lines);
	}
	closedir(tasks);
	return answer;
}

static enum answer has_mapping(const struct covbuf_segment *segment, uint32_t pid)
{
	struct identity file;
	unsigned int nr_lines;
	enum answer answer;
	char path[32];

	if (!identify_mapping(segment, &file))
		return UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", pid);
	answer = look_for_mapping(path, &file, &nr_lines);
	return answer == NO && !nr_lines ? look_in_threads(pid, &file) : answer;
}

static bool is_pid_free(uint32_t pid)
{
	return kill((pid_t)pid, 0) && errno == ESRCH;
}

/* A process of our own namespace. */
static bool is_gone(const struct covbuf_segment *segment, const struct covbuf_proc *proc)
{
	uint64_t ticks;
	int err = covb_start_ticks(proc->pid, &ticks);

	/* not there, hidden from us, or no /proc: kill() knows in all cases */
	if (err)
		return is_pid_free(proc->pid);
	if (proc->start_ticks && ticks != proc->start_ticks)
		return true;
	return has_mapping(segment, proc->pid) == NO;
}

/* The number that process pid has in the innermost of its namespaces; 0: gone, not to be seen, or of our own. */
static uint32_t innermost_pid(const char *pid)
{
	char path[48], line[256];
	uint32_t inner = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	status = fopen(path, "re");
	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status)) {
		const char *first = strchr(line, '\t'), *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6))
			continue;
		if (first != last)
			inner = (uint32_t)strtoul(last, NULL, 10);
		break;
	}
	fclose(status);
	return inner;
}

/* A process of another namespace: is there one of that number in some namespace that has the segment? */
static bool is_gone_elsewhere(const struct covbuf_segment *segment, const struct covbuf_proc *proc)
{
	DIR *all = opendir("/proc");
	struct dirent *entry;
	bool gone = true;

	if (!all)
		return false;
	while (gone && (entry = readdir(all))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || innermost_pid(entry->d_name) != proc->pid)
			continue;
		gone = has_mapping(segment, (uint32_t)strtoul(entry->d_name, NULL, 10)) == NO;
	}
	closedir(all);
	return gone;
}

/* What a slot says, from the mapping or from the file. */
static bool read_slot(const struct covbuf_segment *segment, uint32_t i, struct covbuf_proc *out)
{
	const struct covbuf_table *table = &segment->layout.procs;
	const struct covbuf_proc *proc;

	if (!i || i >= table->nr)
		return false;
	if (!segment->procs)
		return pread(segment->fd, out, sizeof(*out), (off_t)(table->offset_bytes + (uint64_t)i * sizeof(*out))) ==
		       sizeof(*out);
	proc = &segment->procs[i];
	/* acquire: partner is the release of LIVE in take_slot() */
	out->state = covb_load_acquire(&proc->state);
	out->pid = covb_load(&proc->pid);
	out->start_ticks = covb_load(&proc->start_ticks);
	out->flags = covb_load(&proc->flags);
	out->pid_namespace = covb_load(&proc->pid_namespace);
	return true;
}

static bool is_state_same(const struct covbuf_segment *segment, uint32_t i, uint64_t state)
{
	struct covbuf_proc again;

	return read_slot(segment, i, &again) && again.state == state;
}

bool covb_process_dead(struct covbuf_segment *segment, uint32_t i)
{
	struct covbuf_proc proc;
	uint32_t here;
	bool dead;

	if (!read_slot(segment, i, &proc) || (proc.state & 0xff) != COVBUF_PROC_LIVE)
		return false;
	if (!covb_storage_lock_free(segment, COVBUF_LOCK_PROC + i))
		return false;
	here = covb_pid_namespace();
	if (proc.flags & COVBUF_PROC_REPLACED)
		dead = true;
	else if (!proc.pid || proc.pid > INT_MAX)
		dead = true; /* nobody wrote that: whoever had the slot cannot be asked for */
	else if (proc.pid_namespace && here && proc.pid_namespace != here)
		dead = is_gone_elsewhere(segment, &proc);
	else
		dead = is_gone(segment, &proc);
	/* it may have left, and somebody else come, while we looked */
	return dead && is_state_same(segment, i, proc.state);
}
