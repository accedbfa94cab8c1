// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A threaded server that tells each client what its request reached.
 *
 * One thread accepts, reads and parses with epoll; workers serve. Both do so between
 * covbuf_remote_start() and covbuf_remote_stop() with the request's handle, so that the request's
 * coverage is what any thread did for it, and nothing that was done for another. The answer has it in
 * lines "X-Coverage: FUNCTION PLACES".
 *
 * Usage: server PORT-FILE: listens at a free port of loopback, which it writes there. /quit ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coverage.h"
#include "work.h"

#define NR_WORKERS 4
#define MAX_REQUEST_BYTES 1024

struct request {
	int fd;
	char text[MAX_REQUEST_BYTES];
	size_t nr_bytes;
	struct coverage coverage;
	struct work work;
	unsigned int together; /* requests that were being served when it was, itself included */
	struct request *next;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct request *first, **last;
	struct request *serving[NR_WORKERS];
	bool closed;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .last = &queue.first };

/* ---- workers --------------------------------------------------------------------------------- */

static void enqueue(struct request *request)
{
	pthread_mutex_lock(&queue.lock);
	request->next = NULL;
	*queue.last = request;
	queue.last = &request->next;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

/* Everybody who is being served learns that there is one more. */
static void note_together(struct request *request, unsigned int worker)
{
	unsigned int nr = 0;

	queue.serving[worker] = request;
	for (int i = 0; i < NR_WORKERS; i++)
		nr += queue.serving[i] != NULL;
	for (int i = 0; i < NR_WORKERS; i++)
		if (queue.serving[i] && queue.serving[i]->together < nr)
			queue.serving[i]->together = nr;
}

static struct request *dequeue(unsigned int worker)
{
	struct request *request;

	pthread_mutex_lock(&queue.lock);
	while (!queue.first && !queue.closed)
		pthread_cond_wait(&queue.more, &queue.lock);
	request = queue.first;
	if (request) {
		queue.first = request->next;
		if (!queue.first)
			queue.last = &queue.first;
		note_together(request, worker);
	}
	pthread_mutex_unlock(&queue.lock);
	return request;
}

static void served(unsigned int worker)
{
	pthread_mutex_lock(&queue.lock);
	queue.serving[worker] = NULL;
	pthread_mutex_unlock(&queue.lock);
}

static void answer(struct request *request, int status)
{
	FILE *out = fdopen(request->fd, "w");

	if (!out) {
		close(request->fd);
		return;
	}
	fprintf(out, "HTTP/1.0 %d %s\r\nX-Together: %u\r\n", status, status == 200 ? "OK" : "Not Found",
		request->together);
	coverage_end(&request->coverage, "X-Coverage: ", out);
	fprintf(out, "\r\n%s\n", request->work.answer);
	fclose(out);
}

static void *run_worker(void *arg)
{
	unsigned int worker = (unsigned int)(uintptr_t)arg;
	struct request *request;

	while ((request = dequeue(worker)) != NULL) {
		covbuf_token token = covbuf_remote_start(request->coverage.handle);
		int status = serve_request(&request->work);

		covbuf_remote_stop(token);
		served(worker);
		answer(request, status);
		free(request);
	}
	return NULL;
}

/* ---- the thread that reads ------------------------------------------------------------------- */

static void drop(struct request *request)
{
	close(request->fd);
	free(request);
}

/* The whole request is there: parse it and give it to a worker. False: it was the one that ends the server. */
static bool take_request(struct request *request)
{
	static uint32_t number;
	covbuf_token token;
	int err;

	if (!strncmp(request->text, "GET /quit", 9)) {
		drop(request);
		return false;
	}
	err = coverage_begin(&request->coverage, ++number);
	if (err) {
		fprintf(stderr, "server: no coverage: %s\n", strerror(-err));
		drop(request);
		return true;
	}
	token = covbuf_remote_start(request->coverage.handle);
	err = parse_request(request->text, &request->work);
	covbuf_remote_stop(token);
	if (err)
		snprintf(request->work.path, sizeof(request->work.path), "?");
	enqueue(request);
	return true;
}

/* Read what there is. False: end the server. */
static bool read_request(int epoll, struct request *request)
{
	ssize_t n = read(request->fd, request->text + request->nr_bytes, MAX_REQUEST_BYTES - 1 - request->nr_bytes);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0) {
		request->nr_bytes += (size_t)n;
		request->text[request->nr_bytes] = 0;
		if (!strstr(request->text, "\r\n\r\n") && request->nr_bytes < MAX_REQUEST_BYTES - 1)
			return true;
	}
	epoll_ctl(epoll, EPOLL_CTL_DEL, request->fd, NULL);
	if (n <= 0) {
		drop(request);
		return true;
	}
	/* The worker writes with stdio, which wants to wait. */
	fcntl(request->fd, F_SETFL, fcntl(request->fd, F_GETFL) & ~O_NONBLOCK);
	return take_request(request);
}

static void accept_connection(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct request *request = fd >= 0 ? calloc(1, sizeof(*request)) : NULL;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = request };

	if (!request) {
		if (fd >= 0)
			close(fd);
		return;
	}
	request->fd = fd;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		drop(request);
}

static void serve_until_quit(int epoll, int listener)
{
	for (;;) {
		struct epoll_event events[16];
		int nr = epoll_wait(epoll, events, 16, -1);

		for (int i = 0; i < nr; i++) {
			if (!events[i].data.ptr)
				accept_connection(epoll, listener);
			else if (!read_request(epoll, events[i].data.ptr))
				return;
		}
	}
}

static int listen_at_loopback(const char *port_file)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FILE *out;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		return -1;
	out = fopen(port_file, "w");
	if (!out)
		return -1;
	fprintf(out, "%u\n", ntohs(at.sin_port));
	return fclose(out) ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t workers[NR_WORKERS];
	int listener, epoll, err;

	if (argc != 2) {
		fprintf(stderr, "usage: server PORT-FILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	err = coverage_prepare();
	if (err) {
		fprintf(stderr, "server: no coverage: %s\n", strerror(-err));
		return 1;
	}
	listener = listen_at_loopback(argv[1]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
		perror("server");
		return 1;
	}
	for (uintptr_t i = 0; i < NR_WORKERS; i++) {
		if (pthread_create(&workers[i], NULL, run_worker, (void *)i)) {
			fprintf(stderr, "server: no threads\n");
			return 1;
		}
	}
	serve_until_quit(epoll, listener);
	pthread_mutex_lock(&queue.lock);
	queue.closed = true;
	pthread_cond_broadcast(&queue.more);
	pthread_mutex_unlock(&queue.lock);
	for (int i = 0; i < NR_WORKERS; i++)
		pthread_join(workers[i], NULL);
	return 0;
}
