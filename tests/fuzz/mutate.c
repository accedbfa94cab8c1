// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How inputs for images are varied: patch by patch, so that one that is put in or taken out leaves the
 * others what they are, and fields get values of their own kind.
 */
#include <stdlib.h>
#include <string.h>

#include "image.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t nr_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t nr_bytes, size_t max_bytes, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t max_bytes, unsigned int seed);

static uint64_t state;

static uint64_t random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint32_t below(uint64_t n)
{
	return (uint32_t)(random_word() >> 16) % (uint32_t)n;
}

static uint16_t random_when(void)
{
	static const uint16_t spans[] = { 1, 16, 64, 256, 2048, 32768 };

	return below(2) ? 0 : (uint16_t)(1 + below(spans[below(6)]) + (below(8) ? 0 : 0x8000));
}

static void random_value(struct patch *patch)
{
	patch->how = below(2) ? MAGIC : (uint8_t)below(NR_HOW);
	switch (below(4)) {
	case 0:
		patch->value = random_word();
		break;
	case 1:
		patch->value = random_word() >> below(64);
		break;
	case 2:
		patch->value = 1ull << below(64);
		break;
	default:
		patch->value = below(256);
	}
}

/* Most of what is interesting is in areas and owners, and in their first words. */
static void random_place(struct patch *patch)
{
	static const uint8_t likely[] = { IN_AREAS, IN_AREAS, IN_AREAS, IN_OWNERS, IN_OWNERS, IN_WORDS, IN_WORDS, HERE };

	patch->where = below(3) ? likely[below(sizeof(likely))] : (uint8_t)below(NR_WHERE);
	patch->index = (uint16_t)below(below(2) ? 8 : 16);
	patch->word = (uint16_t)(below(3) ? below(18) : random_word());
	if (patch->where == REPEAT) {
		patch->index = (uint16_t)below(below(2) ? 16 : 8192);
		patch->word = (uint16_t)(below(2) ? 1 : below(65));
	}
}

static struct patch random_patch(void)
{
	struct patch patch = { .when = random_when() };

	random_place(&patch);
	random_value(&patch);
	if (patch.where == REPEAT && below(2))
		patch.value = below(2);
	return patch;
}

static void vary(struct patch *patch)
{
	switch (below(5)) {
	case 0:
		patch->when = random_when();
		break;
	case 1:
		random_place(patch);
		break;
	case 2:
		random_value(patch);
		break;
	case 3:
		patch->value += (uint64_t)below(17) - 8;
		break;
	default:
		LLVMFuzzerMutate((uint8_t *)&patch->value, 8, 8);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t nr_bytes, size_t max_bytes, unsigned int seed)
{
	size_t nr, max, at;
	struct patch patch;
	uint8_t *list;

	state = seed * 0x9e3779b97f4a7c15ull | 1;
	if (max_bytes < sizeof(struct input_head))
		return nr_bytes;
	if (nr_bytes < sizeof(struct input_head)) {
		memset(data, 0, sizeof(struct input_head));
		nr_bytes = sizeof(struct input_head);
	}
	list = data + sizeof(struct input_head);
	nr = (nr_bytes - sizeof(struct input_head)) / sizeof(patch);
	max = (max_bytes - sizeof(struct input_head)) / sizeof(patch);
	at = nr ? below(nr) : 0;
	switch (below(10)) {
	case 0:
		LLVMFuzzerMutate(data, sizeof(struct input_head), sizeof(struct input_head));
		break;
	case 1: /* take one out */
		if (nr) {
			memmove(list + at * sizeof(patch), list + (at + 1) * sizeof(patch), (nr - at - 1) * sizeof(patch));
			nr--;
		}
		break;
	case 2:
	case 3:
	case 4: /* put one in */
		if (nr < max) {
			patch = random_patch();
			memmove(list + (at + 1) * sizeof(patch), list + at * sizeof(patch), (nr - at) * sizeof(patch));
			memcpy(list + at * sizeof(patch), &patch, sizeof(patch));
			nr++;
		}
		break;
	case 5: /* another one like it, elsewhere */
		if (nr && nr < max) {
			memcpy(&patch, list + at * sizeof(patch), sizeof(patch));
			vary(&patch);
			memcpy(list + nr++ * sizeof(patch), &patch, sizeof(patch));
		}
		break;
	default:
		if (nr) {
			memcpy(&patch, list + at * sizeof(patch), sizeof(patch));
			vary(&patch);
			memcpy(list + at * sizeof(patch), &patch, sizeof(patch));
		}
	}
	return sizeof(struct input_head) + nr * sizeof(patch);
}

/* One's beginning, the other's patches from somewhere on. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
				 size_t max_bytes, unsigned int seed)
{
	const size_t head = sizeof(struct input_head), one = sizeof(struct patch);
	size_t from_a, from_b, nr_b;

	state = seed * 0x9e3779b97f4a7c15ull | 1;
	if (a_bytes < head || b_bytes < head || max_bytes < head)
		return 0;
	from_a = (a_bytes - head) / one;
	from_a = from_a ? 1 + below(from_a) : 0;
	nr_b = (b_bytes - head) / one;
	from_b = nr_b ? below(nr_b) : 0;
	if (head + from_a * one > max_bytes)
		from_a = (max_bytes - head) / one;
	memcpy(out, a, head + from_a * one);
	nr_b -= from_b;
	if (head + (from_a + nr_b) * one > max_bytes)
		nr_b = (max_bytes - head) / one - from_a;
	memcpy(out + head + from_a * one, b + head + from_b * one, nr_b * one);
	return head + (from_a + nr_b) * one;
}
