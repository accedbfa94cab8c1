/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long is a record on its way to a process that collects, and how many get there in a second: by an area that
 * is handed over, by a pipe, a socket, a message queue?
 *
 * One child, on another core, receives by one way at a time, as it is asked to. The latency is from a clock's
 * reading, which is what is sent, to the reader's of the same clock; a receiver that sleeps has been asleep for a
 * while. The throughput is the time from the first record until the last one has been read and summed up, for
 * each.
 *
 * The floors of the latencies: a word that a spinning reader sees change, and a futex that a sleeping one is woken
 * by.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"

#define NR_AREAS 128
#define NR_RECORDS 7936 /* of an area of class 0 */
#define NR_LATENCIES 32	/* in turn */
#define NR_SMALL 8192	/* records of a pass, where each is a message */
#define NR_LARGE (64 * 1024)
#define BUFFER_RECORDS 1024 /* of the largest message: a POSIX queue takes no more by default */
#define SPIN_PAUSE_NS 5000u
#define SLEEP_PAUSE_NS 100000u

#define WORD "a word in shared memory"
#define FUTEX "a futex in shared memory"
#define SPINS "covbuf area, collector spins"
#define SLEEPS "covbuf area, collector sleeps"

/* A way there. */
struct way {
	const char *name;
	/* Sends nr records in messages of so many, the first of them the value; values that follow count up. */
	void (*send)(uint64_t value, uint64_t nr, uint64_t nr_message);
	/* Receives at least one; the first is told. Returns how many there were. */
	uint64_t (*receive)(uint64_t *first, uint64_t nr_message);
	bool sleeps; /* the receiver, while there is nothing */
};

/* Between the two processes. */
static struct shared {
	sem_t go, ready;
	const struct way *way; /* NULL: end. The parent's, as the next two */
	uint64_t nr_wanted, nr_message;
	uint64_t nr_received __attribute__((aligned(128))); /* the child's, as the next two */
	uint64_t latency_ns;
	uint64_t sum;
	uint64_t word __attribute__((aligned(128)));
	uint32_t futex __attribute__((aligned(128)));
	uint64_t futex_value;
} *shared;

static struct covbuf_owner *owner;
static struct covbuf_segment *consumed;
static int pipe_ends[2], socket_ends[2];
static mqd_t queue;

/* ---- ways ------------------------------------------------------------------------------------ */

static void send_word(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	(void)nr;
	(void)nr_message;
	covb_store_release(&shared->word, value);
}

static uint64_t receive_word(uint64_t *first, uint64_t nr_message)
{
	(void)nr_message;
	while (!(*first = covb_load_acquire(&shared->word)))
		covb_relax();
	covb_store(&shared->word, 0);
	return 1;
}

static void send_futex(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	(void)nr;
	(void)nr_message;
	shared->futex_value = value;
	covb_store_release(&shared->futex, 1);
	syscall(SYS_futex, &shared->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t receive_futex(uint64_t *first, uint64_t nr_message)
{
	(void)nr_message;
	while (!covb_load_acquire(&shared->futex))
		syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
	covb_store(&shared->futex, 0);
	*first = shared->futex_value;
	return 1;
}

static __attribute__((noinline, aligned(64))) void send_area(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	for (uint64_t sent = 0; sent < nr; sent += nr_message) {
		covbuf_token token = covbuf_push(owner);

		for (uint64_t k = 0; k < nr_message; k++)
			covbuf_trace_pc(value + k);
		covbuf_pop(token);
	}
}

struct received {
	uint64_t first, nr, at_ns;
};

static int read_area(const struct covbuf_batch *batch, void *arg)
{
	struct received *received = arg;
	uint64_t sum = 0, nr = 0;

	if (!received->nr)
		received->first = batch->words[0], received->at_ns = bench_now_ns();
	for (; nr < batch->nr_words && batch->words[nr]; nr++)
		sum += batch->words[nr];
	received->nr += nr;
	shared->sum += sum;
	return 0;
}

static uint64_t drain(uint64_t *first)
{
	struct received received = { 0 };
	struct covbuf_drained drained;

	bench_must(covbuf_drain(consumed, 0, read_area, &received, &drained), "covbuf_drain");
	*first = bench_now_ns() - received.at_ns + received.first;
	return received.nr;
}

static uint64_t receive_spinning(uint64_t *first, uint64_t nr_message)
{
	uint64_t nr;

	(void)nr_message;
	while (!(nr = drain(first)))
		covb_relax();
	return nr;
}

static uint64_t receive_sleeping(uint64_t *first, uint64_t nr_message)
{
	uint64_t nr;

	(void)nr_message;
	while (!(nr = drain(first)))
		covbuf_segment_wait(consumed, 100);
	return nr;
}

/* Returns the sum, so that each has been read. */
static uint64_t read_buffer(const uint64_t *buffer, uint64_t nr)
{
	uint64_t sum = 0;

	for (uint64_t k = 0; k < nr; k++)
		sum += buffer[k];
	return sum;
}

static void fill_buffer(uint64_t *buffer, uint64_t value, uint64_t nr)
{
	for (uint64_t k = 0; k < nr; k++)
		covb_store(&buffer[k], value + k);
}

static void send_to_descriptor(int fd, uint64_t value, uint64_t nr, uint64_t nr_message)
{
	uint64_t buffer[BUFFER_RECORDS];

	for (uint64_t sent = 0; sent < nr; sent += nr_message) {
		fill_buffer(buffer, value, nr_message);
		for (uint64_t at = 0; at < nr_message * 8;) {
			ssize_t n = write(fd, (char *)buffer + at, nr_message * 8 - at);

			bench_must(n < 0 ? -errno : 0, "write");
			at += (uint64_t)n;
		}
	}
}

static uint64_t receive_from_descriptor(int fd, uint64_t *first, uint64_t nr_message)
{
	uint64_t buffer[BUFFER_RECORDS];
	uint64_t at = 0;

	do {
		ssize_t n = read(fd, (char *)buffer + at, nr_message * 8 - at);

		bench_must(n < 0 ? -errno : 0, "read");
		at += (uint64_t)n;
	} while (at % 8);
	*first = buffer[0];
	shared->sum += read_buffer(buffer, at / 8);
	return at / 8;
}

static void send_pipe(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	send_to_descriptor(pipe_ends[1], value, nr, nr_message);
}

static uint64_t receive_pipe(uint64_t *first, uint64_t nr_message)
{
	return receive_from_descriptor(pipe_ends[0], first, nr_message);
}

static void send_socket(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	send_to_descriptor(socket_ends[1], value, nr, nr_message);
}

static uint64_t receive_socket(uint64_t *first, uint64_t nr_message)
{
	return receive_from_descriptor(socket_ends[0], first, nr_message);
}

static void send_queue(uint64_t value, uint64_t nr, uint64_t nr_message)
{
	uint64_t buffer[BUFFER_RECORDS];

	for (uint64_t sent = 0; sent < nr; sent += nr_message) {
		fill_buffer(buffer, value, nr_message);
		bench_must(mq_send(queue, (char *)buffer, nr_message * 8, 0) ? -errno : 0, "mq_send");
	}
}

static uint64_t receive_queue(uint64_t *first, uint64_t nr_message)
{
	uint64_t buffer[BUFFER_RECORDS];
	ssize_t n = mq_receive(queue, (char *)buffer, sizeof(buffer), NULL);

	(void)nr_message;
	bench_must(n < 0 ? -errno : 0, "mq_receive");
	*first = buffer[0];
	shared->sum += read_buffer(buffer, (uint64_t)n / 8);
	return (uint64_t)n / 8;
}

/* ---- the two processes ----------------------------------------------------------------------- */

static void receive(const struct way *way)
{
	while (covb_load(&shared->nr_received) < shared->nr_wanted) {
		uint64_t first, nr = way->receive(&first, shared->nr_message);

		covb_store(&shared->latency_ns, bench_now_ns() - first);
		covb_store_release(&shared->nr_received, shared->nr_received + nr);
	}
}

static pid_t start_receiver(void)
{
	char where[32];
	pid_t pid;

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_fd());
	pid = fork();
	bench_must(pid < 0 ? -errno : 0, "fork");
	if (pid) {
		/* asleep: it begins on this core */
		while (sem_wait(&shared->ready))
			;
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	bench_must(covbuf_segment_open(where, COVBUF_OPEN_CONSUME, &consumed, NULL), "covbuf_segment_open");
	sem_post(&shared->ready);
	for (;;) {
		while (sem_wait(&shared->go))
			;
		if (!shared->way)
			_exit(0);
		receive(shared->way);
	}
}

static void ask(const struct way *way, uint64_t nr, uint64_t nr_message)
{
	covb_store(&shared->nr_received, 0);
	shared->way = way;
	shared->nr_wanted = nr;
	shared->nr_message = nr_message;
	sem_post(&shared->go);
}

static void wait_for(uint64_t nr)
{
	while (covb_load_acquire(&shared->nr_received) < nr)
		covb_relax();
}

/* Awake: a core that has slept is slow at first. */
static void pause_ns(uint64_t ns)
{
	uint64_t until = bench_now_ns() + ns;

	while (bench_now_ns() < until)
		covb_relax();
}

/* ---- benches --------------------------------------------------------------------------------- */

static const struct way word = { WORD, send_word, receive_word, false };
static const struct way futex = { FUTEX, send_futex, receive_futex, true };
static const struct way area_spins = { SPINS, send_area, receive_spinning, false };
static const struct way area_sleeps = { SLEEPS, send_area, receive_sleeping, true };
static const struct way through_pipe = { "pipe", send_pipe, receive_pipe, true };
static const struct way through_socket = { "unix stream socket", send_socket, receive_socket, true };
static const struct way through_queue = { "POSIX message queue", send_queue, receive_queue, true };

static void sample_latency(struct bench_variant *variant)
{
	const struct way *way = variant->arg;

	ask(way, NR_LATENCIES, 1);
	for (uint64_t i = 0; i < NR_LATENCIES; i++) {
		pause_ns(way->sleeps ? SLEEP_PAUSE_NS : SPIN_PAUSE_NS);
		way->send(bench_now_ns(), 1, 1);
		wait_for(i + 1);
		bench_sample(variant, (double)covb_load(&shared->latency_ns));
	}
}

/* A sample of each in turn; another process is needed, and a core for it. */
static void measure(struct bench *bench, void (*sample)(struct bench_variant *variant))
{
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		bench->variants[i].by_median = bench->variants[i].uncounted = true;
		bench->variants[i].missing = bench_nr_cores() < 2 ? "needs 2 cores, there is 1" : NULL;
	}
	if (!bench_wanted(bench))
		return;
	while (bench_nr_cores() > 1 && bench_another(bench))
		for (uint32_t i = 0; i < bench->nr_variants; i++)
			sample(&bench->variants[i]);
	bench_report(bench);
}

static void measure_latency(void)
{
	/* What 150 ns and 20 us are to the floors on the machine that they are about. */
	struct bench_variant variants[] = {
		{ .name = WORD, .arg = &word },
		{ .name = SPINS, .arg = &area_spins, .against = WORD, .target_ns = 150,
		  .targets = { { .ratio = 1.5, .against = WORD } } },
		{ .name = FUTEX, .arg = &futex },
		{ .name = SLEEPS, .arg = &area_sleeps, .against = FUTEX, .target_ns = 20000,
		  .targets = { { .ratio = 1.25, .against = FUTEX } } },
		{ .name = "pipe", .arg = &through_pipe, .against = FUTEX },
		{ .name = "unix stream socket", .arg = &through_socket, .against = FUTEX },
		{ .name = "POSIX message queue", .arg = &through_queue, .against = FUTEX },
	};
	struct bench bench = { .name = "latency", .unit = "one way, another process", .variants = variants,
			       .question = "How long is a record on its way?", .nr_variants = BENCH_NR(variants),
			       .repetitions = 30 };

	measure(&bench, sample_latency);
}

struct load {
	const struct way *way;
	uint64_t nr, nr_message;
};

static void sample_throughput(struct bench_variant *variant)
{
	const struct load *load = variant->arg;
	uint64_t begin;

	ask(load->way, load->nr, load->nr_message);
	pause_ns(SLEEP_PAUSE_NS);
	begin = bench_now_ns();
	load->way->send(1, load->nr, load->nr_message);
	wait_for(load->nr);
	bench_sample(variant, (double)(bench_now_ns() - begin) / (double)load->nr);
}

#define LOAD(by, of, message) .arg = &(struct load){ .way = &(by), .nr = of, .nr_message = message }
#define NR_IN_AREAS (NR_AREAS / 2 * NR_RECORDS)

static void measure_throughput(void)
{
	struct bench_variant variants[] = {
		{ .name = "covbuf areas, collector spins", LOAD(area_spins, NR_IN_AREAS, NR_RECORDS) },
		{ .name = "covbuf areas, collector sleeps", LOAD(area_sleeps, NR_IN_AREAS, NR_RECORDS) },
		{ .name = "covbuf areas of 32 records", LOAD(area_spins, NR_AREAS / 2 * 32, 32) },
		{ .name = "pipe, 8 bytes", LOAD(through_pipe, NR_SMALL, 1) },
		{ .name = "pipe, 4 KiB", LOAD(through_pipe, NR_LARGE, 512) },
		{ .name = "unix stream socket, 8 bytes", LOAD(through_socket, NR_SMALL, 1) },
		{ .name = "unix stream socket, 4 KiB", LOAD(through_socket, NR_LARGE, 512) },
		{ .name = "POSIX message queue, 8 bytes", LOAD(through_queue, NR_SMALL, 1) },
		{ .name = "POSIX message queue, 8 KiB", LOAD(through_queue, NR_LARGE, 1024) },
	};
	struct bench bench = { .name = "transport", .unit = "record, to another process", .variants = variants,
			       .question = "What does a record cost until another process has read it?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 20 };

	for (uint32_t i = 1; i < BENCH_NR(variants); i++)
		variants[i].against = variants[0].name;
	measure(&bench, sample_throughput);
}

static void open_ways(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = BUFFER_RECORDS * 8 };
	char name[32];

	bench_must(pipe(pipe_ends) ? -errno : 0, "pipe");
	bench_must(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends) ? -errno : 0, "socketpair");
	snprintf(name, sizeof(name), "/covbuf-bench-%d", (int)getpid());
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	bench_must(queue == (mqd_t)-1 ? -errno : 0, "mq_open");
	mq_unlink(name);
}

int main(int argc, char **argv)
{
	pid_t pid;

	bench_init(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_must(shared == MAP_FAILED ? -errno : 0, "mmap");
	sem_init(&shared->go, 1, 0);
	sem_init(&shared->ready, 1, 0);
	bench_attach(64u << 20, 0, NR_AREAS);
	owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	open_ways();
	pid = start_receiver();
	measure_latency();
	measure_throughput();
	ask(NULL, 0, 0);
	waitpid(pid, NULL, 0);
	return bench_finish();
}
