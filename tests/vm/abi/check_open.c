// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The file as such: who may open it, which calls it refuses, and KCOV_INIT_TRACE. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "abi.h"

static void owner_and_mode(void)
{
	struct stat st;

	works(stat(device, &st));
	expect((st.st_mode & 07777) == 0600, "mode %o, want 600", st.st_mode & 07777);
	expect(!st.st_uid && !st.st_gid, "owner %u:%u, want root", st.st_uid, st.st_gid);
}

static void others_may_not(void)
{
	works(setgid(65534));
	works(setuid(65534));
	fails(EACCES, open(device, O_RDONLY));
}

static void no_read_or_write(void)
{
	int fd = open_words(PAGE_WORDS);
	char byte = 0;

	fails(EINVAL, read(fd, &byte, 1));
	fails(EINVAL, write(fd, &byte, 1));
	fails(ESPIPE, pread(fd, &byte, 1, 0));
	fails(ESPIPE, pwrite(fd, &byte, 1, 0));
	fails(ESPIPE, lseek(fd, 0, SEEK_SET));
	fails(EINVAL, fsync(fd));
}

static void poll_says_ready(void)
{
	struct pollfd poll_fd = { .fd = open_words(PAGE_WORDS), .events = POLLIN | POLLOUT };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = works(epoll_create1(0));

	works(poll(&poll_fd, 1, 0));
	expect(poll_fd.revents == (POLLIN | POLLOUT), "poll says %x", poll_fd.revents);
	fails(EPERM, epoll_ctl(epoll, EPOLL_CTL_ADD, poll_fd.fd, &event));
}

static void read_only_fd(void)
{
	int fd = works(open(device, O_RDONLY));
	uint64_t *area;

	works(ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
	fails(EACCES, mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	area = (uint64_t *)works(mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, fd, 0));
	fails(EACCES, mprotect(area, page_bytes, PROT_READ | PROT_WRITE));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	works(ioctl(fd, KCOV_DISABLE, 0));
	expect(area[0], "nothing is recorded");
}

static void other_flags(void)
{
	int fd = works(open(device, O_WRONLY | O_NONBLOCK | O_APPEND));

	works(ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
	fails(EACCES, mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, fd, 0));
	fails(EACCES, mmap(NULL, page_bytes, PROT_WRITE, MAP_SHARED, fd, 0));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	works(ioctl(fd, KCOV_DISABLE, 0));
}

static void unknown_ioctl(void)
{
	int fresh = open_device(), inited = open_words(PAGE_WORDS);

	fails(ENOTTY, ioctl(fresh, _IO('c', 99), 0));
	fails(ENOTTY, ioctl(fresh, _IO('c', 105), 0));
	fails(ENOTTY, ioctl(inited, _IO('c', 99), 0));
	fails(ENOTTY, ioctl(inited, _IO('d', 100), 0));
	/* The right number with another size or direction is another one. */
	fails(ENOTTY, ioctl(inited, _IOR('c', 1, int), PAGE_WORDS));
	fails(ENOTTY, ioctl(inited, _IO('c', 1), PAGE_WORDS));
	fails(ENOTTY, ioctl(inited, _IOW('c', 100, int), 0));
	works(ioctl(inited, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(ENOTTY, ioctl(inited, _IO('c', 99), 0));
}

/* POWER has other bits for the direction and fewer for the size. Each processor's own numbers mean something, and only those. */
static void numbers(void)
{
	static const struct {
		unsigned long ours, x86, power;
	} numbers[] = {
		{ KCOV_INIT_TRACE, 0x80086301, 0x40086301 },	   { KCOV_ENABLE, 0x6364, 0x20006364 },
		{ KCOV_DISABLE, 0x6365, 0x20006365 },		   { KCOV_REMOTE_ENABLE, 0x40186366, 0x80186366 },
		{ KCOV_UNIQUE_ENABLE, 0x40086367, 0x80086367 },	   { KCOV_RESET_TRACE, 0x6368, 0x20006368 },
	};
	int fd = open_words(PAGE_WORDS);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
#ifdef __powerpc64__
		unsigned long right = numbers[i].power, wrong = numbers[i].x86;
#else
		unsigned long right = numbers[i].x86, wrong = numbers[i].power;
#endif

		expect(numbers[i].ours == right, "the header's number is %lx, not %lx", numbers[i].ours, right);
		fails(ENOTTY, ioctl(fd, wrong, 0));
	}
}

static void init_size(void)
{
	int fd = open_device();

	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, 0));
	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, 1));
	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, INT_MAX / 8 + 1ul));
	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, 1ul << 61));
	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, ~0ul));
	works(ioctl(fd, KCOV_INIT_TRACE, 2));
}

static void init_once(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EBUSY, ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
	fails(EBUSY, ioctl(fd, KCOV_INIT_TRACE, 2 * PAGE_WORDS));
	/* The size is looked at first. */
	fails(EINVAL, ioctl(fd, KCOV_INIT_TRACE, 1));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
	works(ioctl(fd, KCOV_DISABLE, 0));
	fails(EBUSY, ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
}

/* The largest size that is allowed, 2 GiB, is more than these machines have. */
static void init_without_memory(void)
{
	int fd = open_device();

	fails(ENOMEM, ioctl(fd, KCOV_INIT_TRACE, INT_MAX / 8));
	works(ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
}

static void init_by_duplicate(void)
{
	int fd = open_device(), other = works(dup(fd));

	works(ioctl(other, KCOV_INIT_TRACE, PAGE_WORDS));
	fails(EBUSY, ioctl(fd, KCOV_INIT_TRACE, PAGE_WORDS));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	works(close(fd));
	works(ioctl(other, KCOV_DISABLE, 0));
}

const struct check open_checks[] = {
	{ "open/owner_and_mode", owner_and_mode },
	{ "open/others_may_not", others_may_not },
	{ "open/no_read_or_write", no_read_or_write },
	{ "open/poll_says_ready", poll_says_ready },
	{ "open/read_only_fd", read_only_fd },
	{ "open/other_flags", other_flags },
	{ "open/unknown_ioctl", unknown_ioctl },
	{ "open/numbers", numbers },
	{ "init/size", init_size },
	{ "init/once", init_once },
	{ "init/without_memory", init_without_memory },
	{ "init/by_duplicate", init_by_duplicate },
	{ }
};
