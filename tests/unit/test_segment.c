/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making and opening segments: kinds, modes, seals, and what is said about those that cannot be used. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../shm/shm.h"
#include "kernel.h"

static char directory[64], path[128];

static void make_directory(void)
{
	snprintf(directory, sizeof(directory), "/tmp/covbuf-segment-XXXXXX");
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/segment", directory);
}

static void remove_directory(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(segment, .init = make_directory, .fini = remove_directory, .timeout = 60);

static const struct covbuf_segment_options small = { .limit_bytes = 8 << 20, .initial_bytes = 256 << 10 };

static struct covbuf_segment *create(const char *where, const struct covbuf_segment_options *options)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };
	int err = covbuf_segment_create(where, options, &segment, &why);

	cr_assert(!err, "%d %s", err, why.text);
	return segment;
}

static void expect_refused(const char *where, unsigned int flags, int wanted, const char *text)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };
	int err = covbuf_segment_open(where, flags, &segment, &why);

	cr_expect(err == wanted, "%s: %d instead of %d (%s)", text, err, wanted, why.text);
	cr_expect(strstr(why.text, text), "\"%s\" is not in \"%s\"", text, why.text);
	cr_expect(!strchr(why.text, '\n'));
	cr_expect(!segment);
	if (!err)
		covbuf_segment_close(segment);
}

static unsigned int count_descriptors(void)
{
	unsigned int nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static unsigned int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int nr = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps))
		nr += strstr(line, "/memfd:covbuf") || strstr(line, "/dev/shm/covbuf") || strstr(line, path);
	fclose(maps);
	return nr;
}

Test(segment, file_is_private_whatever_the_umask)
{
	struct covbuf_segment *segment;
	struct stat status;

	umask(0777);
	segment = create(path, &small);
	cr_assert(!stat(path, &status));
	cr_expect((status.st_mode & 07777) == 0600, "%o", status.st_mode);
	cr_expect(fcntl(covbuf_segment_descriptor(segment), F_GETFD) & FD_CLOEXEC);
	covbuf_segment_close(segment);
}

Test(segment, memfd_is_sealed_against_shrinking_and_still_grows)
{
	struct covbuf_segment *segment = create(NULL, &small);
	int fd = covbuf_segment_descriptor(segment);
	struct stat before, after;

	fstat(fd, &before);
	cr_expect((before.st_mode & 07777) == 0600);
	cr_expect(fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_SEAL));
	cr_expect(ftruncate(fd, 4096) && errno == EPERM);
	cr_expect(covbuf_segment_grow(segment, 0, 4) == 4);
	fstat(fd, &after);
	cr_expect(after.st_size > before.st_size);
	covbuf_segment_close(segment);
}

Test(segment, name_lies_in_dev_shm)
{
	char name[64], file[128];
	struct covbuf_segment *segment, *again = NULL;
	struct stat status;

	snprintf(name, sizeof(name), "name:/covbuf-test-%d", getpid());
	snprintf(file, sizeof(file), "/dev/shm/%s", name + 6);
	unlink(file); /* of another process of this number, which was killed */
	segment = create(name, &small);
	cr_expect(!stat(file, &status) && (status.st_mode & 07777) == 0600);
	cr_expect(!covbuf_segment_open(name, COVBUF_OPEN_ATTACH, &again, NULL));
	covbuf_segment_close(again);
	covbuf_segment_close(segment);
	cr_expect(!stat(file, &status), "it outlives its maker");
	unlink(file);
}

Test(segment, what_exists_is_not_overwritten)
{
	struct covbuf_segment *segment = create(path, &small), *second = NULL;
	struct covbuf_message why;

	cr_expect(covbuf_segment_create(path, &small, &second, &why) == -EEXIST);
	cr_expect(strstr(why.text, "another name"), "%s", why.text);
	cr_expect(!access(path, F_OK));
	covbuf_segment_close(segment);
}

Test(segment, opens_by_descriptor_path_and_environment)
{
	struct covbuf_segment *maker = create(path, &small), *segment = NULL;
	char number[32];
	int inherited = open(path, O_RDWR);

	snprintf(number, sizeof(number), "fd:%d", inherited);
	cr_expect(!covbuf_segment_open(number, COVBUF_OPEN_ATTACH, &segment, NULL));
	cr_expect(segment->layout.areas.nr == maker->layout.areas.nr);
	cr_expect(segment->fd != inherited && fcntl(segment->fd, F_GETFD) & FD_CLOEXEC);
	covbuf_segment_close(segment);
	cr_expect(fcntl(inherited, F_GETFD) >= 0, "the inherited one stays open");

	setenv("COVBUF_SEGMENT", path, 1);
	cr_expect(!covbuf_segment_open(NULL, COVBUF_OPEN_READ, &segment, NULL));
	cr_expect(!segment->base, "an observer maps nothing");
	covbuf_segment_close(segment);
	unsetenv("COVBUF_SEGMENT");
	expect_refused(NULL, COVBUF_OPEN_ATTACH, -ENOENT, "COVBUF_SEGMENT is not set");
	covbuf_segment_close(maker);
}

Test(segment, has_one_consumer)
{
	struct covbuf_segment *maker = create(path, &small), *segment = NULL;

	cr_expect(!covbuf_segment_consume(maker));
	cr_expect(covbuf_segment_consume(maker) == -EBUSY);
	expect_refused(path, COVBUF_OPEN_CONSUME, -EBUSY, "one consumer");
	covbuf_segment_close(maker);
	cr_expect(!covbuf_segment_open(path, COVBUF_OPEN_CONSUME, &segment, NULL));
	covbuf_segment_close(segment);
}

Test(segment, guard_page_lies_behind_the_limit)
{
	struct covbuf_segment *segment = create(path, &small);
	int status;
	pid_t child = fork();

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)(segment->base + segment->layout.limit_bytes) = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	cr_expect(!msync(segment->base + segment->layout.limit_bytes, 4096, MS_ASYNC), "it is ours");
	covbuf_segment_close(segment);
}

Test(segment, automatic_owner_is_live_and_enabled)
{
	struct covbuf_segment_options options = small;
	struct covbuf_segment *segment;

	options.automatic = (struct covbuf_auto){ .enabled = 1, .mode = COVBUF_MODE_CMP, .area_class = 1,
						  .flags = COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW };
	segment = create(path, &options);
	cr_expect((segment->owners[0].state & 0xff) == COVBUF_OWNER_LIVE);
	cr_expect(segment->owners[0].sequence == 1 && segment->owners[0].mode == COVBUF_MODE_CMP);
	cr_expect(segment->owners[0].flags == (COVBUF_OWNER_KEEP | COVBUF_OWNER_GROW));
	cr_expect(!strcmp(segment->owners[0].name, "everything"));
	cr_expect(covbuf_segment_free_areas(segment, 1) == 2 && covbuf_segment_free_areas(segment, 0) == 0);
	covbuf_segment_close(segment);
}

Test(segment, foreign_files_are_named_as_such)
{
	char fifo[160], big[256] = { 1 };
	FILE *file = fopen(path, "w");

	fclose(file);
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "0 bytes");
	file = fopen(path, "w");
	for (int i = 0; i < 1024; i++)
		fwrite(big, sizeof(big), 1, file);
	fclose(file);
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "not a segment of libcovbuf");
	cr_assert(!truncate(path, 0) && !truncate(path, 1 << 20));
	expect_refused(path, COVBUF_OPEN_ATTACH, -EPROTO, "still being made");
	expect_refused("/nowhere/at/all", COVBUF_OPEN_READ, -ENOENT, "No such file");
	expect_refused("name:/covbuf-test-none", COVBUF_OPEN_READ, -ENOENT, "is the name right");
	expect_refused("fd:999", COVBUF_OPEN_READ, -ENOENT, "inherited");
	expect_refused("fd:12x", COVBUF_OPEN_READ, -EINVAL, "does not name a descriptor");
	expect_refused("fd:-1", COVBUF_OPEN_READ, -EINVAL, "does not name a descriptor");
	expect_refused("/dev/null", COVBUF_OPEN_READ, -EPROTO, "not a file");
	expect_refused("/tmp", COVBUF_OPEN_READ, -EPROTO, "not a file");
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	mkfifo(fifo, 0600);
	expect_refused(fifo, COVBUF_OPEN_READ, -EPROTO, "not a file");
	unlink(fifo);
}

Test(segment, truncated_files_are_named_as_such)
{
	struct covbuf_segment *segment = create(path, &small);
	uint64_t data = segment->layout.data_offset_bytes;

	covbuf_segment_close(segment);
	cr_assert(!truncate(path, (off_t)(data + 1000)));
	expect_refused(path, COVBUF_OPEN_ATTACH, -EPROTO, "cut short");
	cr_expect(!covbuf_segment_open(path, COVBUF_OPEN_READ, &segment, NULL), "what there is can be read");
	covbuf_segment_close(segment);
	cr_assert(!truncate(path, (off_t)data - 1));
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "tables alone need");
	cr_assert(!truncate(path, 100));
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "cut short");
}

Test(segment, another_version_is_named)
{
	struct covbuf_segment *segment = create(path, &small);

	segment->header->version = 7;
	covbuf_segment_close(segment);
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "version 7");
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "reads version 1");
}

#define FIELD(name) { #name, offsetof(struct covbuf_header, name), sizeof(((struct covbuf_header *)0)->name), false }
#define VARIES(name) { #name, offsetof(struct covbuf_header, name), sizeof(((struct covbuf_header *)0)->name), true }
static const struct {
	const char *name;
	size_t offset, bytes;
	bool has_other_values; /* some extreme values are legal */
} fields[] = {
	FIELD(header_bytes),	    FIELD(procs.entry_bytes),	 FIELD(contexts.entry_bytes),
	FIELD(owners.entry_bytes),  FIELD(modules.entry_bytes),	 FIELD(areas.entry_bytes),
	VARIES(procs.nr),	    VARIES(contexts.nr),	 VARIES(owners.nr),
	VARIES(modules.nr),	    VARIES(areas.nr),		 VARIES(procs.offset_bytes),
	VARIES(contexts.offset_bytes), VARIES(owners.offset_bytes), VARIES(modules.offset_bytes),
	VARIES(areas.offset_bytes), VARIES(limit_bytes),	 VARIES(data_offset_bytes),
	VARIES(size_bytes),	    VARIES(automatic.enabled),	 VARIES(automatic.mode),
	VARIES(automatic.kind),	    VARIES(automatic.area_class), VARIES(automatic.flags),
	VARIES(automatic.owner),
};

/* Whatever a field says, opening ends with a segment whose tables lie inside, or with a message. */
Test(segment, extreme_header_fields_are_refused_or_harmless)
{
	static const uint64_t extremes[] = { 0, 1, 2, 63, 64, 4095, 65535, 65536, 65537, 131072, 1 << 20, (1 << 20) + 1,
					     INT32_MAX, 1ull << 31, UINT32_MAX, 1ull << 32, 1ull << 40, (1ull << 40) + 65536,
					     1ull << 63, UINT64_MAX, UINT64_MAX - 65535 };
	struct covbuf_segment *segment = create(path, &small), *opened;
	unsigned int nr_refused = 0, descriptors = count_descriptors(), mappings = count_mappings();

	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		char *field = (char *)segment->header + fields[f].offset, kept[8];

		memcpy(kept, field, fields[f].bytes);
		for (size_t v = 0; v < sizeof(extremes) / sizeof(extremes[0]); v++) {
			struct covbuf_message why = { "" };
			int err;

			memcpy(field, &extremes[v], fields[f].bytes);
			if (!memcmp(field, kept, fields[f].bytes))
				continue;
			opened = NULL;
			err = covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &opened, &why);
			if (!err) {
				const struct covb_layout *l = &opened->layout;

				cr_expect(fields[f].has_other_values, "%s = %#lx", fields[f].name, extremes[v]);
				cr_expect(l->areas.offset_bytes + 256ull * l->areas.nr <= l->data_offset_bytes);
				cr_expect(l->modules.offset_bytes + 512ull * l->modules.nr <= l->data_offset_bytes);
				covbuf_segment_close(opened);
				continue;
			}
			nr_refused++;
			cr_expect((err == -EPROTO || err == -ENOMEM) && why.text[0], "%s = %#lx: %d %s", fields[f].name,
				  extremes[v], err, why.text);
		}
		memcpy(field, kept, fields[f].bytes);
	}
	cr_expect(nr_refused > 300, "%u", nr_refused);
	cr_expect(!covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &opened, NULL), "put back, it opens");
	covbuf_segment_close(opened);
	cr_expect(count_descriptors() == descriptors && count_mappings() == mappings, "nothing leaks");
	covbuf_segment_close(segment);
}

Test(segment, overlapping_tables_are_refused)
{
	struct covbuf_segment *segment = create(path, &small);

	segment->header->owners.offset_bytes = segment->header->modules.offset_bytes;
	covbuf_segment_close(segment);
	expect_refused(path, COVBUF_OPEN_READ, -EPROTO, "overlap");
}

Test(segment, options_out_of_range_are_refused)
{
	static const struct covbuf_segment_options bad[] = {
		{ .nr_procs = 1 },	   { .nr_procs = 4096 },	       { .nr_contexts = UINT32_MAX },
		{ .nr_owners = 1u << 30 }, { .limit_bytes = 65536 },	       { .limit_bytes = UINT64_MAX },
		{ .limit_bytes = 2ull << 40 }, { .initial_bytes = 1ull << 40 }, { .initial_bytes = UINT64_MAX },
		{ .reserved = { 0, 1 } },  { .automatic.enabled = 2 },	       { .automatic.mode = 2 },
		{ .automatic.kind = 2 },   { .automatic.area_class = 12 },     { .automatic.flags = 1u << 20 },
		{ .automatic.owner = 256 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct covbuf_segment *segment = NULL;
		struct covbuf_message why = { "" };

		cr_expect(covbuf_segment_create(path, &bad[i], &segment, &why) == -EINVAL, "%zu", i);
		cr_expect(why.text[0] && !segment);
		cr_expect(access(path, F_OK), "nothing is left behind");
	}
}

Test(segment, full_file_system_is_an_error_that_leaves_nothing)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };
	static const struct covbuf_segment_options sizes[] = { { 0 }, { .limit_bytes = 64 << 20, .initial_bytes = 2 << 20 } };
	unsigned int descriptors = count_descriptors();
	int made;

	if (mount("none", directory, "tmpfs", 0, "size=3m"))
		cr_skip_test("cannot mount a tmpfs: %s", strerror(errno));
	for (size_t i = 0; i < 2; i++) {
		struct covbuf_segment_options options = sizes[i];

		options.nr_modules = i ? 0 : 8192;
		cr_expect(covbuf_segment_create(path, &options, &segment, &why) == -ENOSPC, "%zu", i);
		cr_expect(strstr(why.text, "free some space"), "%s", why.text);
		cr_expect(access(path, F_OK) && !segment);
		cr_expect(count_descriptors() == descriptors && !count_mappings());
	}
	segment = create(path, &(struct covbuf_segment_options){ .limit_bytes = 64 << 20, .initial_bytes = 65536 });
	made = covbuf_segment_grow(segment, 0, 1000);
	cr_expect(made > 1 && made < 48, "%d", made);
	cr_expect(covbuf_segment_grow(segment, 0, 1) == -ENOSPC);
	for (uint32_t i = 0; i < covb_segment_nr_areas(segment); i++) {
		uint64_t nr, *words = covb_segment_words(segment, i, &nr);

		memset(words, 1, nr * 8); /* no SIGBUS: all of it is there */
	}
	covbuf_segment_close(segment);
	unlink(path);
	umount(directory);
}

Test(segment, file_size_limit_is_an_error_and_not_a_signal)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };

	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 20, 1 << 20 });
	cr_expect(covbuf_segment_create(path, NULL, &segment, &why) == -EFBIG);
	cr_expect(access(path, F_OK));
}

Test(segment, address_space_limit_is_explained)
{
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };
	struct covbuf_segment_options options = { .limit_bytes = 8ull << 30 };

	need_address_space_limit(4ull << 30);
	cr_expect(covbuf_segment_create(path, &options, &segment, &why) == -ENOMEM);
	cr_expect(strstr(why.text, "ulimit -v"), "%s", why.text);
	cr_expect(access(path, F_OK));
}

Test(segment, no_permission_is_explained)
{
	struct covbuf_segment *segment = create(path, &small);
	struct covbuf_message why = { "" };

	if (geteuid())
		cr_skip_test("only root can become somebody else");
	chmod(directory, 0755);
	if (seteuid(65534))
		cr_skip_test("cannot become somebody else");
	expect_refused(path, COVBUF_OPEN_READ, -EACCES, "user who made it");
	cr_expect(covbuf_segment_create("/root/covbuf-test", &small, &segment, &why) == -EACCES);
	cr_expect(strstr(why.text, "that you may write to"), "%s", why.text);
	cr_assert(!seteuid(0));
	covbuf_segment_close(segment);
}

Test(segment, reference_keeps_it_mapped)
{
	struct covbuf_segment *segment = create(path, &small);

	covb_fetch_add(&segment->refs, 1);
	covbuf_segment_close(segment);
	cr_expect(segment->header->magic == COVBUF_MAGIC);
	covbuf_segment_close(segment);
	cr_expect(!count_mappings());
	covbuf_segment_close(NULL);
}

/* The program closes everything, and has our numbers again for a file of its own. */
Test(segment, files_of_the_program_with_our_numbers_are_left_alone)
{
	struct covbuf_segment *segment = create(NULL, &small);
	int fd = segment->fd, lock_fd = segment->lock_fd, own = open(path, O_RDWR | O_CREAT, 0600);
	struct stat status;

	cr_assert(write(own, "precious", 8) == 8);
	close(fd);
	close(lock_fd);
	dup2(own, fd);
	dup2(own, lock_fd);
	cr_expect(covbuf_segment_grow(segment, 0, 1) == -EBADF);
	cr_expect(covbuf_segment_shrink(segment, 0, 1) == -EBADF);
	cr_expect(covbuf_segment_trim(segment) == -EBADF);
	covbuf_segment_close(segment);
	cr_expect(fcntl(fd, F_GETFD) >= 0 && fcntl(lock_fd, F_GETFD) >= 0, "they stay open");
	cr_expect(!fstat(own, &status) && status.st_size == 8);
}

static void *queue_later(void *arg)
{
	struct covbuf_segment *segment = arg;

	usleep(100000);
	covb_store_release(&segment->owners[0].queue, 1);
	covb_mb();
	if (covb_load(&segment->header->nr_waiting))
		covb_announce(segment);
	return NULL;
}

Test(segment, wait_ends_when_something_is_queued_or_time_is_up)
{
	struct covbuf_segment *segment = create(NULL, &small);
	struct timespec before, after;
	pthread_t thread;
	int64_t ms;

	cr_expect(covbuf_segment_wait(segment, 30) == -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &before);
	pthread_create(&thread, NULL, queue_later, segment);
	cr_expect(covbuf_segment_wait(segment, 20000) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	cr_expect(ms >= 90 && ms < 15000, "%ld", (long)ms);
	pthread_join(thread, NULL);
	cr_expect(covb_load(&segment->header->nr_waiting) == 0);
	covbuf_segment_close(segment);
}
