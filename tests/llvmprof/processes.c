/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * processes.sh: processes that count how often they call hit(), by the profile and in what they print.
 *
 *	processes MODE [ARGUMENT]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HITS 200000

extern char **environ;
static char *self;
static volatile int sink;

void hit(void);
void hit_often(int times);
void *hit_in_thread(void *arg);

__attribute__((noinline)) void hit(void)
{
	sink++;
}

__attribute__((noinline)) void hit_often(int times)
{
	for (int i = 0; i < times; i++)
		hit();
}

static void must(int done, const char *what)
{
	if (done)
		return;
	perror(what);
	_exit(1);
}

static int wait_for(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return status;
}

/* By posix_spawn(), but where programs cannot start others of their own kind by that. */
static pid_t spawn(char *const argv[])
{
	pid_t pid;

	if (!getenv("COVBUF_EMULATED")) {
		errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
		must(errno == 0, "posix_spawn");
		return pid;
	}
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* Children and grandchildren, all at once with the parent. */
static void fork_tree(void)
{
	pid_t child[3];

	for (int i = 0; i < 3; i++) {
		child[i] = fork();
		if (child[i])
			continue;
		child[i] = fork();
		hit_often(HITS);
		if (child[i])
			wait_for(child[i]);
		else
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	hit_often(HITS);
	for (int i = 0; i < 3; i++)
		wait_for(child[i]);
	printf("%d\n", 7 * HITS);
}

static int is_over;

void *hit_in_thread(void *arg)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		hit();
		++*(long *)arg;
	}
	return NULL;
}

/* One thread counts, another one forks. */
static void fork_in_thread(void)
{
	pthread_t thread;
	long hits = 0;

	must(!pthread_create(&thread, NULL, hit_in_thread, &hits), "pthread_create");
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			hit_often(1000);
			_exit(0);
		}
		wait_for(pid);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("%ld\n", hits + 50 * 1000);
}

/* What runs before the exec of a vfork child is the parent's. */
static void start_others(void)
{
	char *const argv[] = { self, (char *)"hit", NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		hit_often(3);
		execv(argv[0], argv);
		_exit(127);
	}
	wait_for(pid);
	wait_for(spawn(argv));
	pid = fork();
	if (pid == 0) {
		hit_often(5);
		execv(argv[0], argv);
		_exit(127);
	}
	wait_for(pid);
	must(!system("./processes hit"), "system");
	printf("%d\n", 4 * 10 + 3 + 5);
}

/* Another directory, no descriptors, and then a child. */
static void leave(const char *mode)
{
	pid_t pid;

	must(!chdir("/"), "chdir");
	if (!strcmp(mode, "chroot"))
		must(!chroot("/proc"), "chroot");
	if (!strcmp(mode, "descriptors")) {
		struct rlimit none = { 0, 0 };

		must(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
	}
	if (!strcmp(mode, "file_size")) {
		struct rlimit small = { 4096, 4096 };

		must(!setrlimit(RLIMIT_FSIZE, &small), "setrlimit");
	}
	for (int i = 3; i < 1024; i++)
		close(i);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			hit_often(20);
			_exit(0);
		}
		must(wait_for(pid) == 0, "child");
	}
	hit_often(10);
}

/* A child that has no file, and runs destructors; its parent runs none. */
static void lose_child(void)
{
	struct rlimit none = { 0, 0 };
	pid_t pid;

	must(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
	pid = fork();
	if (pid == 0)
		exit(0);
	wait_for(pid);
	_exit(0);
}

/* Somebody begins anew. */
static void fork_in_emptied(void)
{
	pid_t pid;

	must(!system("rm -f profile/*"), "rm");
	pid = fork();
	if (pid == 0) {
		hit_often(10);
		_exit(0);
	}
	wait_for(pid);
}

/* What is shared with a file. */
static void print_shared(void)
{
	char line[4096];
	FILE *maps = fopen("/proc/self/maps", "r");
	int shared = 0;

	must(maps != NULL, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps))
		shared += strstr(line, " rw-s ") != NULL;
	printf("%d\n", shared);
	fclose(maps);
}

static void finish(const char *how)
{
	hit_often(10);
	if (!strcmp(how, "_exit"))
		_exit(0);
	if (!strcmp(how, "quick_exit"))
		quick_exit(0);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "crash"))
		*(volatile int *)NULL = 0;
}

/*
 * Storm: processes that are killed at any moment, each with a slot where it says what it has done. It calls hit()
 * first and says so then: the files have each slot's number, or one more.
 */
struct slot {
	long hits;
	char fill[56];
};

static struct slot *slots_of(int fd)
{
	struct slot *slots = mmap(NULL, 4096 * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(slots != MAP_FAILED, "mmap");
	return slots;
}

static void be_killed(struct slot *slot)
{
	for (;;) {
		hit();
		__atomic_store_n(&slot->hits, slot->hits + 1, __ATOMIC_RELAXED);
	}
}

static void storm(int processes)
{
	int fd = memfd_create("slots", 0);
	char fd_text[16], i_text[16];
	struct slot *slots;
	long least = 0;

	must(fd >= 0 && !ftruncate(fd, 4096 * sizeof(*slots)), "memfd_create");
	slots = slots_of(fd);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	srand(1);
	for (int i = 0; i < processes; i++) {
		char *const argv[] = { self, (char *)"storm_child", fd_text, i_text, NULL };
		struct timespec moment = { 0, rand() % 4000 * 1000 };
		pid_t pid;

		snprintf(i_text, sizeof(i_text), "%d", i);
		if (i % 2) {
			pid = fork();
			if (pid == 0)
				be_killed(&slots[i]);
			moment.tv_nsec /= 4;
		} else {
			pid = spawn(argv);
		}
		nanosleep(&moment, NULL);
		kill(pid, SIGKILL);
		must(WTERMSIG(wait_for(pid)) == SIGKILL, "a process that is killed");
	}
	for (int i = 0; i < processes; i++)
		least += slots[i].hits;
	printf("%ld %ld\n", least, least + processes);
}

/* Signals from before the runtime on, as fast as they come. Their handler is all that calls hit(). */
static volatile long signals;

static void on_signal(int number)
{
	(void)number;
	hit();
	signals++;
}

__attribute__((constructor(50))) static void start_signals(void)
{
	struct itimerval often = { { 0, 20 }, { 0, 20 } };

	if (!getenv("EARLY_SIGNALS"))
		return;
	signal(SIGALRM, on_signal);
	must(!setitimer(ITIMER_REAL, &often, NULL), "setitimer");
}

/* By which the runtime puts the file in the counters' place: there a signal comes each time, if the runtime lets it in. */
void *mremap(void *old, size_t old_bytes, size_t new_bytes, int flags, ...)
{
	va_list args;
	void *to;

	va_start(args, flags);
	to = va_arg(args, void *);
	va_end(args);
	if (getenv("EARLY_SIGNALS"))
		raise(SIGALRM);
	return (void *)syscall(SYS_mremap, old, old_bytes, new_bytes, flags, to);
}

static void stop_signals(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };

	must(!setitimer(ITIMER_REAL, &never, NULL), "setitimer");
	signal(SIGALRM, SIG_IGN);
	printf("%ld\n", signals);
}

/*
 * Kills a process and its child at one system call after another: the nth that the two of them enter or leave. How many
 * there are is where the kills end.
 */
static int is_killed_at(int n, const char *mode)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD;
	int status, is_killed = 0;
	pid_t pid = fork();

	if (pid == 0) {
		must(!ptrace(PTRACE_TRACEME, 0, NULL, NULL), "PTRACE_TRACEME");
		execl(self, self, mode, NULL);
		_exit(127);
	}
	must(WIFSTOPPED(wait_for(pid)) && !ptrace(PTRACE_SETOPTIONS, pid, NULL, options), "PTRACE_SETOPTIONS");
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && --n == 0) {
			is_killed = 1;
			kill(pid, SIGKILL);
			continue;
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	return is_killed;
}

static void kill_at_each_call(const char *mode)
{
	int n = 1;

	while (n < 2000 && is_killed_at(n, mode))
		n++;
	printf("%d\n", n - 1);
}

static void fork_once(void)
{
	pid_t pid = fork();

	hit_often(10);
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "hit";

	self = argv[0];
	if (!strcmp(mode, "fork_tree"))
		fork_tree();
	else if (!strcmp(mode, "fork_in_thread"))
		fork_in_thread();
	else if (!strcmp(mode, "start_others"))
		start_others();
	else if (!strcmp(mode, "storm") && argc > 2)
		storm(atoi(argv[2]));
	else if (!strcmp(mode, "storm_child") && argc > 3)
		be_killed(&slots_of(atoi(argv[2]))[atoi(argv[3])]);
	else if (!strcmp(mode, "finish") && argc > 2)
		finish(argv[2]);
	else if (!strcmp(mode, "kill_at_each_call"))
		kill_at_each_call("fork_once");
	else if (!strcmp(mode, "fork_once"))
		fork_once();
	else if (!strcmp(mode, "signals"))
		stop_signals();
	else if (!strcmp(mode, "lose_child"))
		lose_child();
	else if (!strcmp(mode, "fork_in_emptied"))
		fork_in_emptied();
	else if (!strcmp(mode, "print_shared"))
		print_shared();
	else if (!strcmp(mode, "hit"))
		hit_often(10);
	else
		leave(mode);
	return 0;
}
