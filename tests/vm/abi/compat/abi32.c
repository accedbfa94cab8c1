// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * abi32 DEVICE [PREFIX]: a 32-bit client of a 64-bit kernel's KCOV device. Without any library, so that a compiler for
 * 64 bit builds it: system calls by int 0x80, numbers and structures of the ABI written out as the 64-bit kernel has them.
 */
#include <stddef.h>
#include <stdint.h>

#define NR_exit 1
#define NR_write 4
#define NR_open 5
#define NR_ioctl 54
#define NR_mmap2 192

#define EFAULT 14
#define EBUSY 16
#define EINVAL 22
#define ENOTTY 25

/* KCOV_INIT_TRACE is _IOR('c', 1, unsigned long): another number where a long has 4 bytes, which no kernel knows. */
#define KCOV_INIT_TRACE 0x80086301
#define KCOV_INIT_TRACE_32 0x80046301
#define KCOV_ENABLE 0x6364
#define KCOV_DISABLE 0x6365
#define KCOV_REMOTE_ENABLE 0x40186366
#define ABI_RUN 0x40184102

#define WORDS 32768

struct remote_arg {
	uint32_t trace_mode, area_size, num_handles;
	uint64_t common_handle __attribute__((aligned(8)));
	uint64_t handles[257];
};
_Static_assert(offsetof(struct remote_arg, handles) == 24, "the layout is that of 64 bit");

struct job {
	uint64_t handle;
	uint32_t function, times, sections, reserved;
};

static const char *device, *prefix = "";

static long call(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return ret;
}

/* A sixth argument would need %ebp: the offset of every map here is 0, which that register is made to hold. */
static long map(unsigned int length, int fd)
{
	long ret;

	__asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
			 : "=a"(ret) : "a"(NR_mmap2), "b"(0), "c"(length), "d"(3), "S"(1), "D"(fd) : "memory");
	return ret;
}

static int open_device(const char *path)
{
	return call(NR_open, (long)path, 2, 0, 0, 0);
}

static long ioctl(int fd, unsigned int cmd, const void *arg)
{
	return call(NR_ioctl, fd, cmd, (long)arg, 0, 0);
}

static void say(const char *text)
{
	unsigned int length = 0;

	while (text[length])
		length++;
	call(NR_write, 1, (long)text, length, 0, 0);
}

/* WHY: NULL if the rule holds. */
static void result(const char *name, const char *why)
{
	say(why ? "not ok " : "ok ");
	say(prefix);
	say(name);
	if (why) {
		say(": ");
		say(why);
	}
	say("\n");
}

static const char *check_init(int fd)
{
	if (ioctl(fd, KCOV_INIT_TRACE_32, (void *)WORDS) != -ENOTTY)
		return "the number with a size of 4 is known";
	if (ioctl(fd, KCOV_INIT_TRACE, (void *)1) != -EINVAL)
		return "an area of 1 word is not EINVAL";
	if (ioctl(fd, KCOV_INIT_TRACE, (void *)0x10000000) != -EINVAL)
		return "an area of 2 GiB is not EINVAL";
	if (ioctl(fd, KCOV_INIT_TRACE, (void *)WORDS))
		return "KCOV_INIT_TRACE fails";
	return ioctl(fd, KCOV_INIT_TRACE, (void *)WORDS) == -EBUSY ? NULL : "a second KCOV_INIT_TRACE is not EBUSY";
}

/* Words are of 8 bytes. */
static const char *check_trace(int fd, volatile uint64_t **area)
{
	struct job job = { .function = 1, .times = 3, .sections = 1 };
	int module = open_device("/dev/covbuf_abi");

	if (map(WORDS * 4, fd) != -EINVAL)
		return "a map of words of 4 bytes is not EINVAL";
	*area = (volatile uint64_t *)map(WORDS * 8, fd);
	if ((uint32_t)*area > (uint32_t)-4096)
		return "mmap fails";
	if (ioctl(fd, KCOV_ENABLE, (void *)7) != -EINVAL)
		return "a mode of 7 is not EINVAL";
	if (ioctl(fd, KCOV_ENABLE, (void *)0))
		return "KCOV_ENABLE fails";
	(*area)[0] = 0;
	if (module < 0 || ioctl(module, ABI_RUN, &job))
		return "the module's function does not run";
	if (ioctl(fd, KCOV_DISABLE, (void *)0))
		return "KCOV_DISABLE fails";
	if (!(*area)[0] || (*area)[1] >> 32 != 0xffffffff)
		return "there are no PCs of 64 bit in the area";
	return ioctl(fd, KCOV_DISABLE, (void *)0) == -EINVAL ? NULL : "a second KCOV_DISABLE is not EINVAL";
}

static const char *check_remote(int fd)
{
	static struct remote_arg arg = { .area_size = 512, .common_handle = 0xffffffff };

	if (ioctl(fd, KCOV_REMOTE_ENABLE, NULL) != -EFAULT)
		return "no argument is not EFAULT";
	arg.num_handles = 257;
	if (ioctl(fd, KCOV_REMOTE_ENABLE, &arg) != -EINVAL)
		return "257 handles are not EINVAL";
	arg.num_handles = 1;
	arg.handles[0] = 1;
	if (ioctl(fd, KCOV_REMOTE_ENABLE, &arg) != -EINVAL)
		return "a common handle among the handles is not EINVAL";
	arg.handles[0] = 1ull << 56 | 1;
	if (ioctl(fd, KCOV_REMOTE_ENABLE, &arg))
		return "KCOV_REMOTE_ENABLE fails";
	return ioctl(fd, KCOV_DISABLE, (void *)0) ? "KCOV_DISABLE fails" : NULL;
}

static __attribute__((used, noreturn)) void start(char **stack)
{
	volatile uint64_t *area;
	int fd;

	device = stack[2];
	if (device && stack[3])
		prefix = stack[3];
	fd = device ? open_device(device) : -1;
	result("compat/open", fd < 0 ? "the device cannot be opened" : NULL);
	result("compat/init", check_init(fd));
	result("compat/trace", check_trace(fd, &area));
	result("compat/remote", check_remote(fd));
	call(NR_exit, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tpush %eax\n\tcall start\n");
