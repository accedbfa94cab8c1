/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment's life in this process: made or opened, mapped, closed.
 *
 * Made: plan -> file -> storage of the tables -> mapping -> header -> arena -> first areas -> magic.
 * Opened: file -> header read and checked -> mapping. An observer has no mapping. The whole address
 * range up to the limit is mapped at once, so that an area's address never changes; the storage behind
 * it comes as the maker grows the pool, and nothing beyond it is touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "collector.h"
#include "view.h"

/* Behind the segment: an append that runs on meets it after at most one record. */
#define GUARD_BYTES COVBUF_PART_BYTES

int covb_say(struct covbuf_message *why, int err, const char *format, ...)
{
	va_list args;

	if (why) {
		va_start(args, format);
		vsnprintf(why->text, sizeof(why->text), format, args);
		va_end(args);
	}
	return err;
}

static struct covbuf_segment *new_segment(void)
{
	struct covbuf_segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->fd = -1;
	segment->lock_fd = -1;
	segment->refs = 1;
	pthread_mutex_init(&segment->modules_lock, NULL);
	pthread_mutex_init(&segment->grow_lock, NULL);
	return segment;
}

static void identify(struct covbuf_segment *segment, uint64_t *storage_bytes)
{
	struct stat status;

	*storage_bytes = 0;
	if (fstat(segment->fd, &status))
		return;
	segment->device = status.st_dev;
	segment->inode = status.st_ino;
	*storage_bytes = (uint64_t)status.st_size;
}

/* Addresses that nothing lies at, starting at a multiple of 64 KiB, which areas' offsets are too. */
static char *reserve_addresses(size_t bytes)
{
	size_t all = bytes + COVBUF_PART_BYTES, head;
	char *start = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)start % COVBUF_PART_BYTES;
	if (head)
		munmap(start, head);
	munmap(start + head + bytes, COVBUF_PART_BYTES - head);
	return start + head;
}

/* Address space for all the segment may become, with the guard page behind it. */
static int map(struct covbuf_segment *segment, struct covbuf_message *why)
{
	const struct covb_layout *layout = &segment->layout;
	size_t bytes = layout->limit_bytes;
	char *base = reserve_addresses(bytes + GUARD_BYTES);
	int err;

	if (!base || mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, segment->fd, 0) == MAP_FAILED) {
		err = errno;
		if (base)
			munmap(base, bytes + GUARD_BYTES);
		return covb_say(why, -err,
				"cannot map the segment: %s; it needs %zu MiB of address space: "
				"lower its limit, or raise the process's (ulimit -v)", strerror(err), bytes >> 20);
	}
	/* the file is the record: a core dump need not hold it again */
	madvise(base, bytes, MADV_DONTDUMP);
	segment->base = base;
	segment->header = (struct covbuf_header *)base;
	segment->procs = (struct covbuf_proc *)(base + layout->procs.offset_bytes);
	segment->contexts = (struct covbuf_context_slot *)(base + layout->contexts.offset_bytes);
	segment->owners = (struct covbuf_owner_slot *)(base + layout->owners.offset_bytes);
	segment->modules = (struct covbuf_module *)(base + layout->modules.offset_bytes);
	segment->areas = (struct covbuf_area *)(base + layout->areas.offset_bytes);
	return 0;
}

/* The directory's storage comes with the areas: for a large limit it is large, and mostly never used. */
static int reserve_tables(struct covbuf_segment *segment, struct covbuf_message *why)
{
	const struct covb_layout *layout = &segment->layout;
	uint64_t last = layout->data_offset_bytes - COVBUF_PART_BYTES;
	int err = covb_storage_reserve(segment->fd, 0, layout->areas.offset_bytes);

	if (!err) /* the end of the directory too, so that the file reaches up to the data */
		err = covb_storage_reserve(segment->fd, last, COVBUF_PART_BYTES);
	if (err)
		return covb_say(why, err, "cannot reserve %" PRIu64 " KiB for the segment's tables: %s%s",
				layout->areas.offset_bytes >> 10, strerror(-err), covb_storage_advise(-err, true));
	segment->size_bytes = layout->data_offset_bytes;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* The owner that everything is recorded for by programs that find the segment in their environment. */
static void make_automatic_owner(struct covbuf_segment *segment)
{
	const struct covbuf_auto *automatic = &segment->layout.automatic;
	struct covbuf_owner_slot *owner = &segment->owners[automatic->owner];
	static const struct {
		uint32_t automatic, owner;
	} flags[] = {
		{ COVBUF_AUTO_UNIQUE, COVBUF_OWNER_UNIQUE },
		{ COVBUF_AUTO_GROW, COVBUF_OWNER_GROW },
		{ COVBUF_AUTO_KEEP, COVBUF_OWNER_KEEP },
		{ COVBUF_AUTO_UNIQUE_CONTEXT, COVBUF_OWNER_UNIQUE_CONTEXT },
	};

	owner->mode = automatic->mode;
	owner->kind = automatic->kind;
	owner->area_class = automatic->area_class;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (automatic->flags & flags[i].automatic)
			owner->flags |= flags[i].owner;
	snprintf(owner->name, sizeof(owner->name), "everything");
	owner->sequence = 1; /* odd: enabled */
	owner->state = COVBUF_OWNER_LIVE | 1ull << 24;
}

static void write_header(struct covbuf_segment *segment)
{
	const struct covb_layout *layout = &segment->layout;
	struct covbuf_header *header = segment->header;

	header->version = COVBUF_VERSION;
	header->header_bytes = sizeof(*header);
	header->limit_bytes = layout->limit_bytes;
	header->created_ns = now_ns();
	header->procs = layout->procs;
	header->contexts = layout->contexts;
	header->owners = layout->owners;
	header->modules = layout->modules;
	header->areas = layout->areas;
	header->data_offset_bytes = layout->data_offset_bytes;
	header->automatic = layout->automatic;
	header->size_bytes = segment->size_bytes;
	header->maker_pid = segment->maker_pid;
	if (getrandom(header->uuid, sizeof(header->uuid), GRND_NONBLOCK) != sizeof(header->uuid))
		memcpy(header->uuid, &header->created_ns, sizeof(header->created_ns));
	if (layout->automatic.enabled)
		make_automatic_owner(segment);
}

static int make_arena(struct covbuf_segment *segment, struct covbuf_message *why)
{
	int err;

	segment->made = calloc(segment->layout.areas.nr, sizeof(*segment->made));
	if (!segment->made)
		return covb_say(why, -ENOMEM, "no memory for the directory of the areas");
	err = covb_arena_create(segment, &segment->arena);
	if (err == -ENOSYS)
		return covb_say(why, err, "this build of libcovbuf makes no segments: link libcovbuf.a, or let "
				"\"covbuf run\" make it and attach to that");
	if (err)
		return covb_say(why, err, "cannot make the arena: %s", strerror(-err));
	return 0;
}

static int make_first_areas(struct covbuf_segment *segment, uint32_t nr, struct covbuf_message *why)
{
	int made = covbuf_segment_grow(segment, segment->layout.automatic.area_class, nr);

	if (made == (int)nr)
		return 0;
	if (made >= 0)
		made = -ENOSPC;
	return covb_say(why, made, "cannot make the first %" PRIu32 " areas of %" PRIu64 " KiB: %s%s", nr,
			covbuf_class_bytes(segment->layout.automatic.area_class) >> 10, strerror(-made),
			covb_storage_advise(-made, true));
}

/* The lock's descriptor is opened by way of /proc. */
static const char *advise_lock(int err)
{
	return err == -EMFILE || err == -ENFILE ? covb_storage_advise(-err, true) : "; is /proc mounted?";
}

static int make(struct covbuf_segment *segment, bool in_memory, uint32_t nr_initial, struct covbuf_message *why)
{
	uint64_t storage_bytes;
	int err;

	identify(segment, &storage_bytes);
	segment->maker = true;
	segment->maker_pid = (uint32_t)getpid();
	err = reserve_tables(segment, why);
	if (err)
		return err;
	err = map(segment, why);
	if (err)
		return err;
	err = covb_storage_lock(segment, COVBUF_LOCK_MAKER);
	if (err)
		return covb_say(why, err, "cannot lock the segment: %s%s", strerror(-err), advise_lock(err));
	write_header(segment);
	err = make_arena(segment, why);
	if (err)
		return err;
	err = make_first_areas(segment, nr_initial, why);
	if (err)
		return err;
	err = in_memory ? covb_storage_seal(segment->fd) : 0;
	if (err)
		return covb_say(why, err, "cannot seal the segment: %s", strerror(-err));
	segment->sealed = in_memory;
	/* release: partner is the acquire in read_header(); whoever sees the magic sees the tables */
	covb_store_release(&segment->header->magic, COVBUF_MAGIC);
	return 0;
}

int covbuf_segment_create(const char *where, const struct covbuf_segment_options *options,
			  struct covbuf_segment **out, struct covbuf_message *why)
{
	static const struct covbuf_segment_options defaults;
	struct covbuf_segment *segment = new_segment();
	uint32_t nr_initial;
	int err;

	if (!segment)
		return covb_say(why, -ENOMEM, "no memory for a segment");
	err = covb_layout_plan(options ? options : &defaults, &segment->layout, &nr_initial, why);
	if (err)
		goto drop;
	err = covb_storage_create(where, &segment->fd, why);
	if (err)
		goto drop;
	err = make(segment, !where, nr_initial, why);
	if (err)
		goto remove;
	*out = segment;
	return 0;
remove:
	covb_storage_remove(where);
drop:
	covbuf_segment_close(segment);
	return err;
}

/* pread() and not the mapping: a file that is cut while we look gives an error and not a signal. */
static int read_header(struct covbuf_segment *segment, const char *where, struct covbuf_message *why)
{
	struct covbuf_header header = { 0 };
	uint64_t storage_bytes;
	ssize_t got;

	identify(segment, &storage_bytes);
	do
		got = pread(segment->fd, &header, sizeof(header), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return covb_say(why, -errno, "cannot read %s: %s", where, strerror(errno));
	if ((size_t)got >= sizeof(header.magic) && header.magic != COVBUF_MAGIC)
		got = sizeof(header); /* the magic says more than the size does */
	if ((size_t)got < sizeof(header))
		return covb_say(why, -EPROTO, "%s is not a segment, or was cut short: it has %zd bytes, and a segment "
				"%llu at least", where, got, COVBUF_PART_BYTES);
	/* acquire: partner is the release of the magic in make(); the second read sees what came before it */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (header.magic == COVBUF_MAGIC && pread(segment->fd, &header, sizeof(header), 0) != sizeof(header))
		return covb_say(why, -EPROTO, "%s was cut short while it was opened", where);
	segment->procs_seen = header.procs_changed;
	segment->sealed = covb_storage_is_sealed(segment->fd); /* seals stay */
	return covb_layout_check(where, &header, storage_bytes, !(segment->flags & COVBUF_OPEN_READ), &segment->layout,
				 why);
}

static int consume_opened(struct covbuf_segment *segment, const char *where, struct covbuf_message *why)
{
	uint64_t offset_bytes = offsetof(struct covbuf_header, consumer_pid);
	int err = covbuf_segment_consume(segment);
	uint32_t pid;

	if (err == -EBUSY && !covb_view_read(segment, offset_bytes, &pid, sizeof(pid)))
		return covb_say(why, err, "%s is being drained by process %" PRIu32 "; there is one consumer at a time",
				where, pid);
	if (err)
		return covb_say(why, err, "cannot lock %s: %s%s", where, strerror(-err), advise_lock(err));
	return 0;
}

int covbuf_segment_open(const char *where, unsigned int flags, struct covbuf_segment **out, struct covbuf_message *why)
{
	struct covbuf_segment *segment;
	int err;

	/* secure: a setuid program is not told by its caller where to write */
	if (!where)
		where = secure_getenv("COVBUF_SEGMENT");
	if (!where || !*where)
		return covb_say(why, -ENOENT, "no segment: COVBUF_SEGMENT is not set; run the program under \"covbuf run\"");
	if (flags != COVBUF_OPEN_READ && flags != COVBUF_OPEN_CONSUME && flags != COVBUF_OPEN_ATTACH &&
	    flags != (COVBUF_OPEN_CONSUME | COVBUF_OPEN_ATTACH))
		return covb_say(why, -EINVAL, "cannot open %s with flags %#x", where, flags);
	segment = new_segment();
	if (!segment)
		return covb_say(why, -ENOMEM, "no memory for a segment");
	segment->flags = flags;
	err = covb_storage_open(where, !(flags & COVBUF_OPEN_READ), &segment->fd, why);
	if (err)
		goto drop;
	err = read_header(segment, where, why);
	if (err)
		goto drop;
	if (!(flags & COVBUF_OPEN_READ)) {
		err = map(segment, why);
		if (err)
			goto drop;
	}
	if (flags & COVBUF_OPEN_CONSUME) {
		err = consume_opened(segment, where, why);
		if (err)
			goto drop;
	}
	*out = segment;
	return 0;
drop:
	covbuf_segment_close(segment);
	return err;
}

static void close_ours(const struct covbuf_segment *segment, int fd)
{
	if (covb_storage_is(segment, fd))
		close(fd);
}

void covbuf_segment_close(struct covbuf_segment *segment)
{
	/* acq_rel: whoever drops the last reference sees what the others did with it */
	if (!segment || covb_fetch_add_acq_rel(&segment->refs, (uint32_t)-1) != 1)
		return;
	/* in a fork child the arena belongs to the parent: it must not be touched */
	if (segment->arena && segment->maker_pid == (uint32_t)getpid())
		covb_arena_destroy(segment->arena);
	if (segment->base)
		munmap(segment->base, segment->layout.limit_bytes + GUARD_BYTES);
	close_ours(segment, segment->lock_fd);
	close_ours(segment, segment->fd);
	free(segment->made);
	free(segment->places);
	if (segment->room)
		covb_drain_room_free(segment->room);
	free(segment->room);
	free(segment);
}

int covbuf_segment_descriptor(const struct covbuf_segment *segment)
{
	return segment->fd;
}
