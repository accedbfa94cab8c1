// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The protocol: what a fuzzer wants to get through. All of it runs in the task that writes.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "session.h"

static noinline int answer_sum(const u8 *payload, size_t nr_bytes, u32 *answer)
{
	__le32 number;
	u32 sum = 0;

	if (nr_bytes % sizeof(number))
		return -EINVAL;
	for (; nr_bytes; nr_bytes -= sizeof(number), payload += sizeof(number)) {
		memcpy(&number, payload, sizeof(number));
		if (check_add_overflow(sum, le32_to_cpu(number), &sum))
			return -ERANGE;
	}
	*answer = sum;
	return 0;
}

static noinline int answer_name(const u8 *payload, size_t nr_bytes, u32 *answer)
{
	static const char *const names[] = { "pool", "area", "frame", "owner", "handle" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (nr_bytes == strlen(names[i]) && !memcmp(payload, names[i], nr_bytes)) {
			*answer = i;
			return 0;
		}
	return -ENOENT;
}

noinline ssize_t sample_parse(struct session *session, const u8 *bytes, size_t nr_bytes)
{
	const u8 *payload = bytes + sizeof(struct sample_header);
	struct sample_header header;
	u32 answer = 0;
	int error = 0;

	if (nr_bytes < sizeof(header))
		return -EMSGSIZE;
	memcpy(&header, bytes, sizeof(header));
	if (le16_to_cpu(header.magic) != SAMPLE_MAGIC)
		return -EBADMSG;
	if (nr_bytes - sizeof(header) < header.nr_bytes)
		return -EMSGSIZE;

	switch (header.type) {
	case SAMPLE_ECHO:
		answer = header.nr_bytes;
		break;
	case SAMPLE_SUM:
		error = answer_sum(payload, header.nr_bytes, &answer);
		break;
	case SAMPLE_NAME:
		error = answer_name(payload, header.nr_bytes, &answer);
		break;
	default:
		error = -EPROTO;
	}
	if (error)
		return error;

	memcpy(session->payload, payload, header.nr_bytes);
	session->nr_bytes = header.nr_bytes;
	session->answer = answer;
	return sizeof(header) + header.nr_bytes;
}
