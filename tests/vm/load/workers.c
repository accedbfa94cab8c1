// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The workers. Each checks what it has recorded itself, word by word; the first that finds anything ends the round. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "load.h"

#define EXEC_WORDS 8192 /* whole pages, of 64 KiB too */
#define RESET_TRACE _IO('c', 104)

static const char *const files[] = { KCOV_FILE, COVBUF_FILE };

static struct cov open_any(uint64_t nr_words)
{
	struct cov cov;
	int err = cov_open(&cov, files[draw(2)], nr_words);

	if (err)
		fail("a device cannot be opened, initialised or mapped: %s", strerror(-err));
	return cov;
}

static int open_sections(void)
{
	int fd = open("/dev/sections", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/sections: %s", strerror(errno));
	return fd;
}

static void move_about(void)
{
	struct sched_param parameter = { .sched_priority = draw(3) ? 0 : 1 + draw(3) };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(draw(2), &set);
	sched_setaffinity(0, sizeof(set), &set);
	sched_setscheduler(0, parameter.sched_priority ? SCHED_RR : SCHED_OTHER, &parameter);
}

/* Whose record it is, in either mode; *value: that of a comparison. -1: nobody's. */
static int fn_at(const struct cov *cov, unsigned int mode, uint64_t record, uint64_t *value)
{
	const uint64_t *words = &cov->words[1 + record * (mode == KCOV_TRACE_CMP ? 4 : 1)];
	uint64_t index;

	*value = 0;
	if (mode == KCOV_TRACE_PC)
		return fn_of(&shared->places, words[0]);
	index = words[1] - SECTIONS_CONSTANT;
	*value = words[2];
	if (words[0] != (KCOV_CMP_CONST | KCOV_CMP_SIZE(3)) || index >= NR_FNS || shared->places.cmp[index] != words[3])
		return -1;
	return index;
}

/* ---- tasks that trace themselves ------------------------------------------------------------- */

/*
 * Its own function's records are there, all of them; else only of starts that found nobody enabled, which
 * cannot be of an epoch that is known.
 */
static void check_own(const struct cov *cov, unsigned int mode, uint32_t fn, uint64_t calls)
{
	uint64_t count = cov_count(cov), own = 0, value;

	for (uint64_t i = 0; i < count; i++) {
		int found = fn_at(cov, mode, i, &value);
		bool shifting = found >= FN_SHIFTING(0) && found < FN_MORTAL(NR_MORTAL) &&
				(found >= FN_MORTAL(0) || (found - FN_SHIFTING(0)) % 3 == 0);

		if (found == (int)fn)
			own++;
		else if (!(shared->shifting && shifting))
			fail("I2, I3: record %llu of the trace of function %u is of %d", (unsigned long long)i, fn, found);
	}
	if (own != calls)
		fail("I1: %llu records of %llu calls in the trace of function %u", (unsigned long long)own,
		     (unsigned long long)calls, fn);
	tally(&shared->nr_records, own);
}

void trace(uint32_t i)
{
	struct sections_op ops[SCRIPT_OPS];
	unsigned int mode = draw(4) ? KCOV_TRACE_PC : KCOV_TRACE_CMP;
	int device = open_sections();
	struct cov cov = open_any(1 << 15);

	if (ioctl(device, SECTIONS_PROBE, FN_PROBE(i)) && errno != EBUSY)
		fail("SECTIONS_PROBE: %s", strerror(errno));
	while (going_on()) {
		if (ioctl(cov.fd, KCOV_ENABLE, mode))
			fail("ENABLE: %s", strerror(errno));
		tally(&shared->nr_enables, 1);
		for (int rounds = 1 + draw(6); rounds && going_on(); rounds--) {
			uint64_t calls;
			uint32_t nr_ops = script_make(ops, FN_OWN(i), 0, &calls);

			cov_clear(&cov);
			script_run(device, ops, nr_ops);
			check_own(&cov, mode, FN_OWN(i), calls);
			if (!draw(4))
				move_about();
			if (shared->shifting && !draw(8) && ioctl(cov.fd, RESET_TRACE, 0))
				fail("RESET_TRACE: %s", strerror(errno));
		}
		if (!draw(12))
			break; /* while enabled */
		if (ioctl(cov.fd, KCOV_DISABLE, 0))
			fail("DISABLE: %s", strerror(errno));
		if (!draw(4)) {
			cov_close(&cov);
			cov = open_any(1 << 15);
		}
	}
	cov_close(&cov);
}

/* ---- tasks that work for others -------------------------------------------------------------- */

void work(uint32_t i)
{
	uint32_t fn = FN_STEADY(i % NR_STEADY), account = ACCOUNT_STEADY(i % NR_STEADY);
	struct sections_op open[] = { START(HANDLE_STEADY(i % NR_STEADY)) }, close[] = { STOP };
	struct sections_op ops[SCRIPT_OPS];
	int device = open_sections();
	uint64_t calls;

	while (going_on()) {
		bool is_open = !draw(4);

		/* open between system calls, and perhaps at the end */
		if (is_open)
			script_run(device, open, ARRAY_SIZE(open));
		script_run(device, ops, script_make(ops, is_open ? fn : FN_NOWHERE, is_open ? account : 0, &calls));
		if (is_open && !draw(8))
			return;
		if (is_open)
			script_run(device, close, ARRAY_SIZE(close));
		if (!draw(8))
			move_about();
	}
}

/* ---- owners that come and go ----------------------------------------------------------------- */

static void set_phase(int device, uint32_t phase, uint64_t epoch)
{
	struct sections_phase arg = { .phase = phase, .epoch = epoch };

	if (ioctl(device, SECTIONS_PHASE, &arg))
		fail("SECTIONS_PHASE: %s", strerror(errno));
}

/* A section that is known to have started in another enable is not in this one. */
static void check_epoch(const struct cov *cov, unsigned int mode, uint32_t i, uint64_t epoch)
{
	uint64_t count = cov_count(cov), capacity = (cov->nr_words - 1) / (mode == KCOV_TRACE_CMP ? 4 : 1), value;

	if (count > capacity)
		fail("word 0 is %llu in an area of %llu records", (unsigned long long)count, (unsigned long long)capacity);
	for (uint64_t k = 0; k < count; k++) {
		int fn = fn_at(cov, mode, k, &value);
		int offset = fn - FN_SHIFTING(i);

		/* inside a section, those of starts that found nobody are recorded, too: of any that come and go */
		bool missed = fn >= FN_SHIFTING(0) && fn < FN_MORTAL(NR_MORTAL) &&
			      (fn >= FN_MORTAL(0) || (fn - FN_SHIFTING(0)) % 3 == 0);

		if (offset == 1 + (int)(epoch % 2) && (mode == KCOV_TRACE_PC || value == epoch))
			continue;
		if (offset == 1 || offset == 2)
			fail("I7: a record of epoch %llu (function %d) in enable %llu of handle %u", (unsigned long long)value, fn,
			     (unsigned long long)epoch, i);
		if (!missed)
			fail("I2, I3: record %llu of shifting handle %u is of function %d", (unsigned long long)k, i, fn);
	}
	tally(&shared->nr_records, count);
}

void shift(uint32_t i)
{
	int device = open_sections();
	struct cov cov = open_any(1 << 14);
	unsigned int mode = i % 2 ? KCOV_TRACE_CMP : KCOV_TRACE_PC;
	uint64_t epoch = 0;

	while (going_on()) {
		cov_clear(&cov);
		epoch++;
		if (cov_remote_enable(&cov, mode, HANDLE_SHIFTING(i), 0))
			fail("REMOTE_ENABLE of shifting handle %u: %s", i, strerror(errno));
		set_phase(device, PHASE_SHIFTING(i), epoch);
		tally(&shared->nr_enables, 1);
		usleep(draw(20000));
		set_phase(device, PHASE_SHIFTING(i), 0);
		if (ioctl(cov.fd, KCOV_DISABLE, 0))
			fail("DISABLE of shifting handle %u: %s", i, strerror(errno));
		check_epoch(&cov, mode, i, epoch);
		usleep(draw(3000));
		if (!draw(8)) {
			cov_close(&cov);
			cov = open_any(1 << 14);
		}
	}
	cov_close(&cov);
}

/* Is killed while it is enabled, or goes and leaves it so. */
void own_mortal(uint32_t i)
{
	struct cov cov = open_any(1 << 14);

	/* its predecessor may not be quite gone */
	while (going_on() && cov_remote_enable(&cov, KCOV_TRACE_PC, HANDLE_MORTAL(i), 0)) {
		if (errno != EEXIST)
			fail("REMOTE_ENABLE of mortal handle %u: %s", i, strerror(errno));
		usleep(1000);
	}
	if (!draw(3))
		cov_close(&cov);
	while (going_on())
		usleep(1000 + draw(20000));
}

/* ---- processes that fork, exec, map and close ------------------------------------------------ */

/* A program of its own by now, which shares nothing: the task is traced since before the exec. */
int churn_after_exec(int fd)
{
	struct sections_op ops[] = { CALL(FN_EXEC, 20) };
	uint64_t *words = mmap(NULL, EXEC_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bool same = true;

	if (words == MAP_FAILED)
		return 1;
	words[0] = 0;
	script_run(open_sections(), ops, ARRAY_SIZE(ops));
	for (int i = 0; i < 20; i++)
		same = same && words[1 + i] == words[1];
	return words[0] != 20 || !same || (draw(2) && ioctl(fd, KCOV_DISABLE, 0));
}

static void exec_enabled(void)
{
	struct cov cov = open_any(EXEC_WORDS);
	char text[32], salt[32];

	fcntl(cov.fd, F_SETFD, 0);
	if (ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC))
		fail("ENABLE before exec: %s", strerror(errno));
	snprintf(text, sizeof(text), "%d", cov.fd);
	snprintf(salt, sizeof(salt), "%llu", (unsigned long long)seed);
	execl("/proc/self/exe", "load", "--after-exec", text, "--seed", salt, NULL);
	fail("exec: %s", strerror(errno));
}

void churn(uint32_t i)
{
	(void)i;
	while (going_on()) {
		struct cov cov = open_any(512 << draw(8));
		pid_t pid = fork();
		int status;

		if (!pid) {
			die_with_parent();
			if (draw(2))
				exec_enabled();
			ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC);
			cov_close(&cov);
			raise(SIGKILL);
		}
		for (uint32_t k = draw(4); k; k--) {
			uint64_t *more = mmap(NULL, cov.nr_words * 8, PROT_READ, MAP_SHARED, cov.fd, 0);

			if (more == MAP_FAILED)
				fail("a second mmap: %s", strerror(errno));
			if (more[0] > cov.nr_words)
				fail("word 0 is beyond the area");
			munmap(more, cov.nr_words * 8);
		}
		cov_close(&cov);
		if (pid < 0)
			fail("fork: %s", strerror(errno));
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			fail("what was enabled before an exec is not right after it");
		tally(&shared->nr_execs, 1);
	}
}

/* ---- a module that comes and goes ------------------------------------------------------------ */

/* The same record from each call, as many as there were calls or, while the module is switched off, fewer. */
void pass_by(uint32_t i)
{
	while (going_on()) {
		struct sections_op ops[] = { START(HANDLE_MORTAL(i % NR_MORTAL)), STOP, CALL(draw(NR_FNS), 50) };
		int device = open("/dev/passing", O_RDWR | O_CLOEXEC);
		struct cov cov;

		if (device < 0) {
			usleep(2000);
			continue;
		}
		cov = open_any(4096);
		if (ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC))
			fail("ENABLE: %s", strerror(errno));
		for (int rounds = draw(20); rounds; rounds--) {
			cov_clear(&cov);
			script_run(device, ops, ARRAY_SIZE(ops));
			if (cov_count(&cov) > 50)
				fail("%llu records of 50 calls in the passing module", (unsigned long long)cov_count(&cov));
			for (uint64_t k = 1; k < cov_count(&cov); k++)
				if (cov.words[1 + k] != cov.words[1])
					fail("I2: one function of the passing module has two places");
		}
		close(device);
		if (draw(2) && ioctl(cov.fd, KCOV_DISABLE, 0))
			fail("DISABLE: %s", strerror(errno));
		cov_close(&cov);
		return; /* perhaps while enabled */
	}
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

/* Also raises and lowers the number of areas. */
void reload(uint32_t i)
{
	(void)i;
	while (going_on()) {
		int fd = open("passing.ko", O_RDONLY | O_CLOEXEC), err;

		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail("passing.ko cannot be loaded: %s", strerror(errno));
		close(fd);
		for (int k = 0; k < 6; k++) {
			usleep(draw(30000));
			write_to("/sys/kernel/debug/covbuf/modules/passing/enabled", draw(2) ? "0" : "1");
		}
		do {
			usleep(500);
			err = syscall(SYS_delete_module, "passing", O_NONBLOCK) ? errno : 0;
		} while (err && err != ENOENT && going_on());
		tally(&shared->nr_reloads, !err);
	}
	while (syscall(SYS_delete_module, "passing", O_NONBLOCK) && errno != ENOENT)
		usleep(1000);
}
