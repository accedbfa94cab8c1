// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The system calls are few; most of this says why one of them failed, since the kernel's own error numbers
 * tell nobody what to do.
 */
#include "kcov.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define KERNEL_ENOTSUPP 524 /* of the kernel's own numbers, which userspace should not see */
#define REMOTE_AREA_WORDS 65536u /* of one section, where the kernel copies it to ours; covbuf.ko has a pool of its own */

static int say(struct covbuf_message *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int say(struct covbuf_message *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

/* ---- open ------------------------------------------------------------------------------------ */

static bool is_debugfs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == DEBUGFS_MAGIC;
}

/* Whether the kernel is locked down, in any way: the one in force is in brackets. */
static bool is_locked_down(void)
{
	char text[128] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && !strstr(text, "[none]");
}

static int explain_missing(struct covbuf_message *why)
{
	if (!access("/sys/module/covbuf", F_OK))
		return say(why, -ENOENT,
			   "covbuf.ko is loaded, and " COVB_KCOV_COVBUF " is not there: mount devtmpfs on /dev, or name the "
			   "device with --device");
	if (!is_debugfs("/sys/kernel/debug"))
		return say(why, -ENOENT,
			   "there is no KCOV device: load covbuf.ko ('modprobe covbuf', or 'insmod covbuf.ko' where it was built); "
			   "or if the kernel has CONFIG_KCOV, mount debugfs: 'mount -t debugfs none /sys/kernel/debug'");
	return say(why, -ENOENT,
		   "there is no KCOV device, neither " COVB_KCOV_COVBUF " nor " COVB_KCOV_DEBUGFS ": load covbuf.ko ('modprobe "
		   "covbuf', or 'insmod covbuf.ko' where it was built)");
}

static int explain_open(const char *path, int err, struct covbuf_message *why)
{
	switch (err) {
	case EPERM:
		if (is_locked_down())
			return say(why, -err,
				   "%s: the kernel is locked down, which closes files in debugfs to everybody; " COVB_KCOV_COVBUF
				   " of covbuf.ko is open under lockdown",
				   path);
		/* fallthrough */
	case EACCES:
		return say(why, -err, "%s: permission denied: only root may use it%s", path,
			   geteuid() ? "; call covbuf with sudo" : ", and not in a container without its capabilities");
	case ENOENT:
		return say(why, -err, "%s: there is no such device", path);
	case ENODEV:
	case ENXIO:
		return say(why, -err, "%s: the driver of this device is gone; load covbuf.ko again", path);
	default:
		return say(why, -err, "%s: cannot be opened: %s", path, strerror(err));
	}
}

static int try_open(struct covb_kcov *kcov, const char *path)
{
	*kcov = (struct covb_kcov){ .path = path, .fd = open(path, O_RDWR | O_CLOEXEC) };
	return kcov->fd < 0 ? -errno : 0;
}

int covb_kcov_open(struct covb_kcov *kcov, const char *path, struct covbuf_message *why)
{
	int err;

	if (path) {
		err = try_open(kcov, path);
		return err ? explain_open(path, -err, why) : 0;
	}
	err = try_open(kcov, COVB_KCOV_COVBUF);
	if (err == -ENOENT) {
		/* /sys/kernel/debug is root's alone: to others all in it is EACCES, whether there or not. */
		path = COVB_KCOV_DEBUGFS;
		err = try_open(kcov, path);
		return err == -ENOENT ? explain_missing(why) : err ? explain_open(path, -err, why) : 0;
	}
	return err ? explain_open(COVB_KCOV_COVBUF, -err, why) : 0;
}

/* ---- the area -------------------------------------------------------------------------------- */

int covb_kcov_init(struct covb_kcov *kcov, uint64_t nr_words, struct covbuf_message *why)
{
	uint64_t page_words = (uint64_t)sysconf(_SC_PAGESIZE) / 8;
	void *area;
	int err;

	nr_words = (nr_words + page_words - 1) / page_words * page_words;
	if (ioctl(kcov->fd, KCOV_INIT_TRACE, (unsigned long)nr_words)) {
		err = errno;
		return say(why, -err,
			   err == ENOTTY ? "%s: it is not a KCOV device (%s)" :
			   err == ENOMEM ? "%s: the kernel has no memory for the area, or covbuf.ko no room for another owner (%s); choose a "
					   "smaller --size, or end others that record, or load it with a higher 'owners'" :
			   err == ENOSPC || err == EMFILE || err == ENFILE || err == EBUSY ?
					   "%s: it is busy (%s): others use all that it has; end them" :
					   "%s: cannot make the area: %s",
			   kcov->path, strerror(err));
	}
	area = mmap(NULL, nr_words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, kcov->fd, 0);
	if (area == MAP_FAILED) {
		err = errno;
		return say(why, -err, "%s: cannot map the area: %s%s", kcov->path, strerror(err),
			   err == EPERM && is_locked_down() ? "; the kernel is locked down: use " COVB_KCOV_COVBUF : "");
	}
	kcov->area = area;
	kcov->nr_words = nr_words;
	return 0;
}

uint64_t covb_kcov_room(const struct covb_kcov *kcov)
{
	return kcov->nr_words ? (kcov->nr_words - 1) / (kcov->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1) : 0;
}

uint64_t covb_kcov_count(const struct covb_kcov *kcov)
{
	uint64_t count = kcov->area ? __atomic_load_n(&kcov->area[0], __ATOMIC_ACQUIRE) : 0;

	return count < covb_kcov_room(kcov) ? count : covb_kcov_room(kcov);
}

/* ---- enabling -------------------------------------------------------------------------------- */

static int kernel_error(int err)
{
	return err == KERNEL_ENOTSUPP ? -ENOTSUP : -err;
}

static unsigned long trace_mode(uint32_t mode)
{
	return mode == COVBUF_MODE_CMP ? KCOV_TRACE_CMP : KCOV_TRACE_PC;
}

int covb_kcov_enable(struct covb_kcov *kcov, uint32_t mode)
{
	kcov->mode = mode;
	return ioctl(kcov->fd, KCOV_ENABLE, trace_mode(mode)) ? kernel_error(errno) : 0;
}

void covb_kcov_explain_enable(const struct covb_kcov *kcov, uint32_t mode, int err, struct covbuf_message *why)
{
	switch (-err) {
	case ENOTSUP:
		say(why, err, "%s: it does not record %s%s", kcov->path, mode == COVBUF_MODE_CMP ? "comparisons" : "PCs",
		    mode == COVBUF_MODE_CMP ? "; the kernel was built without CONFIG_KCOV_ENABLE_COMPARISONS" : "");
		break;
	case EBUSY:
		say(why, err, "%s: it is busy: another task has enabled it, or this task another device", kcov->path);
		break;
	case ENOMEM:
	case ENOSPC:
		say(why, err, "%s: it has no room for another task (%s); covbuf.ko's parameter 'contexts' makes more", kcov->path,
		    strerror(-err));
		break;
	default:
		say(why, err, "%s: cannot be enabled: %s", kcov->path, strerror(-err));
	}
}

int covb_kcov_enable_remote(struct covb_kcov *kcov, uint32_t mode, const uint64_t *handles, uint32_t nr, uint64_t common,
			    struct covbuf_message *why)
{
	struct kcov_remote_arg *arg = calloc(1, sizeof(*arg) + nr * sizeof(handles[0]));
	uint64_t area_words = kcov->nr_words < REMOTE_AREA_WORDS ? kcov->nr_words : REMOTE_AREA_WORDS;
	int err = 0;

	if (!arg)
		return say(why, -ENOMEM, "out of memory");
	arg->trace_mode = (uint32_t)trace_mode(mode);
	arg->area_size = (uint32_t)area_words;
	arg->num_handles = nr;
	arg->common_handle = common;
	for (uint32_t i = 0; i < nr; i++)
		arg->handles[i] = handles[i];
	kcov->mode = mode;
	if (ioctl(kcov->fd, KCOV_REMOTE_ENABLE, arg))
		err = kernel_error(errno);
	free(arg);
	if (err == -EEXIST)
		return say(why, err, "%s: somebody else has enabled %s; choose another handle, or end the other program", kcov->path,
			   nr == 1 && !common ? "this handle" : "one of these handles");
	if (err == -EINVAL)
		return say(why, err,
			   "%s: it refuses these handles; one is (subsystem << 56) | instance, with bits 32 to 55 zero and a "
			   "subsystem that the kernel knows",
			   kcov->path);
	if (err)
		covb_kcov_explain_enable(kcov, mode, err, why);
	return err;
}

int covb_kcov_disable(struct covb_kcov *kcov)
{
	return ioctl(kcov->fd, KCOV_DISABLE, 0) ? kernel_error(errno) : 0;
}

void covb_kcov_close(struct covb_kcov *kcov)
{
	if (kcov->area)
		munmap(kcov->area, kcov->nr_words * 8);
	if (kcov->fd > 0)
		close(kcov->fd);
	kcov->area = NULL;
	kcov->fd = -1;
}
