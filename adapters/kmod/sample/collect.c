// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * collect [-d DEVICE] [-m MODULE] [-u BUS] COMMAND [ARGUMENT...]
 *
 * Runs a command and prints which functions of a module it reached: what the command's first task did itself
 * ("task"), and what was done on behalf of it and of the tasks it started, elsewhere ("remote"):
 *
 *	task sample_parse 16
 *	remote checksum 13
 *
 * the numbers being records, one for each basic block entered. With -u, work for that USB bus is "remote" too,
 * whoever asked for it. All of it is KCOV's interface, as the kernel's
 * Documentation/dev-tools/kcov.rst describes it: this is how short a client is. DEVICE is
 * /sys/kernel/debug/kcov or /dev/covbuf.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AREA_WORDS (1ul << 18)
#define SECTION_WORDS (1u << 13) /* of one remote section */
/* Where KASLR moves the kernel: _text of an x86-64 one before it is moved. POWER's, as far as KCOV cares, stays where it is. */
#ifdef __x86_64__
#define LINKED_AT 0xffffffff81000000ull
#endif

struct area {
	int fd;
	uint64_t *words; /* how many records, then the records */
};

struct function {
	uint64_t start;
	unsigned long nr_records;
	char name[128];
};

static struct function *functions; /* of the module, by address; the last one ends it */
static size_t nr_functions;
static uint64_t moved_by; /* how far the kernel lies from where it was linked: PCs are without */

/* ---- what is where ------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return (f->start > g->start) - (f->start < g->start);
}

static struct function *add_function(uint64_t start, const char *name)
{
	struct function *function;

	functions = realloc(functions, (nr_functions + 1) * sizeof(*functions));
	if (!functions)
		err(1, "memory");
	function = &functions[nr_functions++];
	*function = (struct function){ .start = start };
	snprintf(function->name, sizeof(function->name), "%s", name);
	function->name[strcspn(function->name, ".")] = 0; /* the compiler's .constprop.0 and so on */
	return function;
}

static void read_symbols(const char *module)
{
	char line[512], name[256], in[256], type;
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long long address;
	int nr;

	if (!file)
		err(1, "/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		nr = sscanf(line, "%llx %c %255s [%255[^]]", &address, &type, name, in);
#ifdef LINKED_AT
		if (nr == 3 && !strcmp(name, "_text"))
			moved_by = address - LINKED_AT;
#endif
		if (nr == 4 && (type == 't' || type == 'T') && !strcmp(in, module))
			add_function(address, name);
	}
	fclose(file);
	if (!nr_functions)
		errx(1, "no function of module '%s' in /proc/kallsyms: is it loaded?", module);
	if (!functions[0].start)
		errx(1, "/proc/kallsyms hides addresses: be root, and see kernel.kptr_restrict");
}

static void read_extent(const char *module)
{
	char line[1024], name[256];
	unsigned long long nr_bytes, start;
	FILE *file = fopen("/proc/modules", "r");

	if (!file)
		err(1, "/proc/modules");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%255s %llu %*s %*s %*s %llx", name, &nr_bytes, &start) == 3 && !strcmp(name, module))
			add_function(start + nr_bytes, "");
	fclose(file);
	qsort(functions, nr_functions, sizeof(*functions), by_start);
}

/* ---- areas --------------------------------------------------------------------------------------- */

static struct area open_area(const char *device)
{
	struct area area = { .fd = open(device, O_RDWR | O_CLOEXEC) };

	if (area.fd < 0)
		err(1, "%s", device);
	if (ioctl(area.fd, KCOV_INIT_TRACE, AREA_WORDS))
		err(1, "%s: KCOV_INIT_TRACE", device);
	area.words = mmap(NULL, AREA_WORDS * sizeof(*area.words), PROT_READ | PROT_WRITE, MAP_SHARED, area.fd, 0);
	if (area.words == MAP_FAILED)
		err(1, "%s: mmap", device);
	return area;
}

static void print_area(const char *label, struct area area)
{
	uint64_t nr = __atomic_load_n(&area.words[0], __ATOMIC_ACQUIRE), pc, i;
	unsigned long elsewhere = 0;
	size_t f;

	for (f = 0; f < nr_functions; f++)
		functions[f].nr_records = 0;
	for (i = 1; i <= nr; i++) {
		pc = area.words[i] + moved_by;
		for (f = 0; f < nr_functions && functions[f].start <= pc; f++)
			;
		if (f == 0 || f == nr_functions)
			elsewhere++;
		else
			functions[f - 1].nr_records++;
	}
	for (f = 0; f < nr_functions; f++)
		if (functions[f].nr_records)
			printf("%s %s %lu\n", label, functions[f].name, functions[f].nr_records);
	if (elsewhere)
		printf("%s (elsewhere) %lu\n", label, elsewhere);
	if (nr + 1 >= AREA_WORDS)
		printf("%s (full) 0\n", label);
}

/* ---- the command --------------------------------------------------------------------------------- */

/* The first task is traced from here on, through its execve(). */
static void run(struct area task, char **command)
{
	if (ioctl(task.fd, KCOV_ENABLE, KCOV_TRACE_PC))
		err(1, "KCOV_ENABLE");
	execvp(command[0], command);
	err(127, "%s", command[0]);
}

int main(int argc, char **argv)
{
	const char *device = "/sys/kernel/debug/kcov", *module = "covbuf_sample";
	struct kcov_remote_arg *remote_arg = calloc(1, sizeof(*remote_arg) + sizeof(remote_arg->handles[0]));
	struct area task, remote;
	int option, status;
	pid_t child;

	if (!remote_arg)
		err(1, "memory");
	remote_arg->trace_mode = KCOV_TRACE_PC;
	remote_arg->area_size = SECTION_WORDS;
	while ((option = getopt(argc, argv, "+d:m:u:")) != -1)
		switch (option) {
		case 'd': device = optarg; break;
		case 'm': module = optarg; break;
		case 'u':
			remote_arg->num_handles = 1;
			remote_arg->handles[0] = kcov_remote_handle(KCOV_SUBSYSTEM_USB, strtoul(optarg, NULL, 0));
			break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: collect [-d DEVICE] [-m MODULE] [-u BUS] COMMAND [ARGUMENT...]\n");
		return 2;
	}
	read_symbols(module);
	read_extent(module);
	task = open_area(device);
	remote = open_area(device);

	/* The common handle is this task's from now on, and is inherited by all that it starts. */
	remote_arg->common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, getpid());
	if (ioctl(remote.fd, KCOV_REMOTE_ENABLE, remote_arg))
		err(1, "%s: KCOV_REMOTE_ENABLE", device);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0)
		run(task, argv + optind);
	if (waitpid(child, &status, 0) < 0)
		err(1, "waitpid");
	if (ioctl(remote.fd, KCOV_DISABLE, 0))
		err(1, "%s: KCOV_DISABLE", device);

	print_area("task", task);
	print_area("remote", remote);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
