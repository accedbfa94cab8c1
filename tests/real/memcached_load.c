// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Load for memcached over loopback: threads that store, fetch, count and delete keys of their own, one
 * request at a time, and check every answer, with a pause after each round of four requests.
 * Usage: memcached_load PORT THREADS MILLISECONDS PAUSE-MICROSECONDS
 *
 * Prints what was answered, "sets N gets N counts N deletes N", also when the server goes away in the
 * middle: then the status is 3. A wrong answer is status 1.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SETS, GETS, COUNTS, DELETES, NR_KINDS };
static const char *const kind_names[NR_KINDS] = { "sets", "gets", "counts", "deletes" };

struct client {
	pthread_t thread;
	unsigned int number;
	int fd;
	FILE *from;
	unsigned long answered[NR_KINDS];
	bool wrong, gone;
};

static unsigned short port;
static double until;
static unsigned int pause_us;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool open_connection(struct client *client)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof(to)))
		return false;
	client->from = fdopen(client->fd, "r");
	return client->from;
}

static bool send_request(struct client *client, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(client->fd, text, left, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return true;
}

/* The next line is this one. */
static bool expect(struct client *client, const char *wanted)
{
	char line[2048];

	if (!fgets(line, sizeof(line), client->from)) {
		client->gone = true;
		return false;
	}
	if (strcmp(line, wanted)) {
		/* A server that is killed may leave half a line. */
		client->gone = !strchr(line, '\n');
		client->wrong = !client->gone;
		if (client->wrong)
			fprintf(stderr, "client %u: answer '%s', not '%s'\n", client->number, line, wanted);
		return false;
	}
	return true;
}

/* One round: set, get, count up, delete. */
static bool ask_round(struct client *client, unsigned long i)
{
	char key[64], text[2048], value[1024], line[1100];
	unsigned int n = (unsigned int)(1 + i * 37 % 900);

	memset(value, 'a' + (int)(i % 26), n);
	value[n] = 0;
	snprintf(key, sizeof(key), "client%u-%lu", client->number, i % 5000);

	snprintf(text, sizeof(text), "set %s 0 0 %u\r\n%s\r\n", key, n, value);
	if (!send_request(client, text) || !expect(client, "STORED\r\n"))
		return false;
	client->answered[SETS]++;

	snprintf(text, sizeof(text), "get %s\r\n", key);
	snprintf(line, sizeof(line), "VALUE %s 0 %u\r\n", key, n);
	if (!send_request(client, text) || !expect(client, line))
		return false;
	snprintf(line, sizeof(line), "%s\r\n", value);
	if (!expect(client, line) || !expect(client, "END\r\n"))
		return false;
	client->answered[GETS]++;

	snprintf(text, sizeof(text), "incr counter%u 1\r\n", client->number);
	snprintf(line, sizeof(line), "%lu\r\n", i + 1);
	if (!send_request(client, text) || !expect(client, line))
		return false;
	client->answered[COUNTS]++;

	if (i % 3)
		return true;
	snprintf(text, sizeof(text), "delete %s\r\n", key);
	if (!send_request(client, text) || !expect(client, "DELETED\r\n"))
		return false;
	client->answered[DELETES]++;
	return true;
}

static void *run_client(void *arg)
{
	struct client *client = arg;
	char text[64];

	if (!open_connection(client)) {
		client->gone = true;
		return NULL;
	}
	snprintf(text, sizeof(text), "set counter%u 0 0 1\r\n0\r\n", client->number);
	if (send_request(client, text) && expect(client, "STORED\r\n")) {
		client->answered[SETS]++;
		for (unsigned long i = 0; now() < until && ask_round(client, i); i++)
			usleep(pause_us);
	}
	client->gone |= !client->wrong && now() < until;
	fclose(client->from);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long sum[NR_KINDS] = { 0 };
	bool wrong = false, gone = false;
	struct client *clients;
	unsigned int nr;

	if (argc != 5) {
		fprintf(stderr, "usage: memcached_load PORT THREADS MILLISECONDS PAUSE-MICROSECONDS\n");
		return 2;
	}
	port = (unsigned short)atoi(argv[1]);
	nr = (unsigned int)atoi(argv[2]);
	until = now() + atof(argv[3]) / 1e3;
	pause_us = (unsigned int)atoi(argv[4]);
	clients = calloc(nr, sizeof(*clients));
	if (!nr || !clients)
		return 2;
	for (unsigned int i = 0; i < nr; i++) {
		clients[i].number = i;
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]))
			return 2;
	}
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(clients[i].thread, NULL);
		wrong |= clients[i].wrong;
		gone |= clients[i].gone;
		for (int k = 0; k < NR_KINDS; k++)
			sum[k] += clients[i].answered[k];
	}
	free(clients);
	for (int k = 0; k < NR_KINDS; k++)
		printf("%s %lu%c", kind_names[k], sum[k], k == NR_KINDS - 1 ? '\n' : ' ');
	return wrong ? 1 : gone ? 3 : 0;
}
