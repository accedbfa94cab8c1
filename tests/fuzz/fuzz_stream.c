// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command on a stream that holds anything. An input is the file itself, if its first byte is odd; or
 * else blocks, which are packed here, since no fuzzer gets past a compressor's checksum:
 *
 *   byte, flags: 1 the file, 2 cut short; then for each block: type, two bytes of length, contents
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "commands.h"
#include "image.h"
#include "stream.h"

#define IS_FILE 1u
#define IS_CUT 2u
#define MAX_FILE_BYTES (1u << 20)

static char file[MAX_FILE_BYTES];
static size_t nr_file;
static char path[32];
static int fd;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fd = memfd_create("stream", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	commands_init();
	return 0;
}

static void put(const void *bytes, size_t nr)
{
	if (nr > MAX_FILE_BYTES - nr_file)
		nr = MAX_FILE_BYTES - nr_file;
	if (nr)
		memcpy(file + nr_file, bytes, nr);
	nr_file += nr;
}

static void put_block(uint8_t type, const uint8_t *contents, size_t nr)
{
	static char packed[ZSTD_COMPRESSBOUND(65536)];
	struct stream_block head = { .magic = STREAM_BLOCK_MAGIC, .type = type, .raw_bytes = (uint32_t)nr };

	head.stored_bytes = (uint32_t)ZSTD_compress(packed, sizeof(packed), contents, nr, 1);
	put(&head, sizeof(head));
	put(packed, head.stored_bytes);
}

static void put_blocks(const uint8_t *input, size_t nr_bytes)
{
	const struct stream_header header = { .magic = STREAM_MAGIC, .version = STREAM_VERSION,
					      .header_bytes = sizeof(header) };

	put(&header, sizeof(header));
	while (nr_bytes >= 3) {
		size_t nr = (size_t)input[1] | (size_t)input[2] << 8;

		if (nr > nr_bytes - 3)
			nr = nr_bytes - 3;
		put_block(input[0] & 7, input + 3, nr);
		input += 3 + nr;
		nr_bytes -= 3 + nr;
	}
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	uint8_t flags = nr_bytes ? *input : IS_FILE;

	nr_file = 0;
	if (flags & IS_FILE)
		put(input + 1, nr_bytes ? nr_bytes - 1 : 0);
	else
		put_blocks(input + 1, nr_bytes - 1);
	if (flags & IS_CUT)
		nr_file -= nr_file ? nr_file / 7 : 0;
	if (ftruncate(fd, 0) || pwrite(fd, file, nr_file, 0) != (ssize_t)nr_file)
		finding("no memory for a stream");
	covbuf("report", path, NULL);
	if (!covbuf("export", "--json", path, NULL))
		check_json();
	commands_forget();
}
