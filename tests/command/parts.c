// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Parts of the command that can be shown without a recording. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "binary.h"
#include "by_source.h"
#include "command.h"
#include "pcset.h"
#include "strings.h"

Test(strings, paths_lose_what_says_nothing)
{
	cr_assert_str_eq(intern_path("/build/dir", "../src/./a.c"), "/build/src/a.c");
	cr_assert_str_eq(intern_path("/build", "/abs//b.c"), "/abs/b.c");
	cr_assert_str_eq(intern_path(NULL, "../../c.c"), "../../c.c");
	cr_assert_str_eq(intern_path(NULL, "a/../../c.c"), "../c.c");
	cr_assert_str_eq(intern_path("/", "../../c.c"), "/c.c");
	cr_assert_eq(intern_path("/x", "y"), intern("/x/y"));
}

Test(pcset, counts_each_address)
{
	struct pcset set = { 0 };
	struct pcset_entry *sorted;

	for (uint64_t round = 0; round < 3; round++)
		for (uint64_t pc = 100000; pc > 0; pc--)
			pcset_add(&set, pc * 16, 1);
	cr_assert_eq(set.nr, 100000);
	sorted = pcset_sorted(&set);
	for (size_t i = 0; i < set.nr; i++) {
		cr_assert_eq(sorted[i].pc, (i + 1) * 16);
		cr_assert_eq(sorted[i].hits, 3);
	}
	free(sorted);
	pcset_fini(&set);
}

/* Runs end where another module's addresses begin; sets are joined. */
Test(pcset, counts_runs_and_joins)
{
	const uint64_t words[] = { 1, 0x1010, 2, 0x1020, 3, 0x1010, 4, 0x2001, 5, 0x1020 };
	struct pcset set = { 0 }, other = { 0 };
	struct pcset_entry *sorted;

	cr_assert_eq(pcset_add_run(&set, 0x1000, 0x2000, 0x1000, words, 5, 2), 3);
	cr_assert_eq(pcset_add_run(&other, 0x1000, 0x2000, 0x1000, &words[8], 1, 2), 1);
	pcset_join(&set, &other);
	cr_assert_eq(set.nr, 2);
	sorted = pcset_sorted(&set);
	cr_assert_eq(sorted[0].pc, 0x10);
	cr_assert_eq(sorted[0].hits, 2);
	cr_assert_eq(sorted[1].pc, 0x20);
	cr_assert_eq(sorted[1].hits, 2);
	free(sorted);
	pcset_fini(&set);
	pcset_fini(&other);
}

static struct covbuf_module row(uint64_t start, uint32_t images, uint32_t loaded, uint32_t unloaded)
{
	return (struct covbuf_module){ .state = 2, .pid = 7, .images = images, .start = start, .end = start + 0x1000,
				       .bias = start, .loaded = loaded, .unloaded = unloaded };
}

static struct address_map map;
static struct address_space space;

static void forget_addresses(void)
{
	address_space_fini(&space);
	addresses_fini(&map);
}

TestSuite(addresses, .fini = forget_addresses);

static void look_at(uint32_t pid, uint64_t images, uint32_t generation)
{
	addresses_select(&space, &map, pid, images, generation);
}

static uint32_t module_at(uint64_t pc)
{
	const struct address_range *range = addresses_find(&space, pc);

	return range ? range->module : ~0u;
}

/* Libraries 1 and 2 were at one address, one after the other. */
Test(addresses, a_library_that_took_anothers_place_is_told_from_it)
{
	struct covbuf_module first = row(0x10000, 1, 3, 5);
	struct covbuf_module second = row(0x10000, 1, 6, 0);

	addresses_add(&map, &first, 1);
	addresses_add(&map, &second, 2);
	look_at(7, 1, 4);
	cr_assert_eq(module_at(0x10010), 1);
	look_at(7, 1, 5);
	cr_assert_eq(module_at(0x10010), 2, "the first was unloaded at 5");
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x10010), 2);
	cr_assert_eq(module_at(0x20000), ~0u);
}

/* A program that executes another has the same pid and another slot. */
Test(addresses, an_executed_program_is_told_from_the_one_before)
{
	struct covbuf_module before = row(0x400000, 1, 1, 0);
	struct covbuf_module after = row(0x400000, 2, 2, 0);

	addresses_add(&map, &before, 1);
	addresses_add(&map, &after, 2);
	look_at(7, 2, 9);
	cr_assert_eq(module_at(0x400100), 2);
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x400100), 1);
	look_at(8, 0, 9);
	cr_assert_eq(module_at(0x400100), ~0u, "another process");
}

/* The parent, images 1, closed library 1 after the fork, and opened 2 there; the child opened 3 elsewhere. */
Test(addresses, a_fork_child_has_what_its_parent_had_at_the_fork)
{
	struct covbuf_module first = row(0x10000, 1, 3, 5), second = row(0x10000, 1, 6, 0), third = row(0x20000, 2, 7, 0);

	third.pid = 8;
	addresses_add(&map, &first, 1);
	addresses_add(&map, &second, 2);
	addresses_add(&map, &third, 3);
	look_at(8, COVBUF_IMAGES(1, 0, 4), 9);
	cr_assert_eq(module_at(0x10010), 1);
	cr_assert_eq(module_at(0x20010), 3, "in an area that it had before");
	look_at(9, COVBUF_IMAGES(1, 0, 4), 9);
	cr_assert_eq(module_at(0x20010), ~0u, "of another child");
	look_at(8, COVBUF_IMAGES(1, 0, 2), 9);
	cr_assert_eq(module_at(0x10010), ~0u, "opened after the fork");
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x10010), 2);
	cr_assert_eq(module_at(0x20010), ~0u);
}

/* A slot that is used again: the same index, another generation, perhaps the same pid. */
Test(addresses, uses_of_a_slot_are_told_apart)
{
	struct covbuf_module before = row(0x400000, (uint32_t)COVBUF_IMAGES(5, 1, 0), 1, 0);
	struct covbuf_module after = row(0x400000, (uint32_t)COVBUF_IMAGES(5, 2, 0), 2, 0);

	addresses_add(&map, &before, 1);
	addresses_add(&map, &after, 2);
	look_at(7, COVBUF_IMAGES(5, 2, 0), 9);
	cr_assert_eq(module_at(0x400100), 2);
	look_at(7, COVBUF_IMAGES(5, 1, 0), 9);
	cr_assert_eq(module_at(0x400100), 1);
}

/* What is recorded is the address behind a call, so that of one that does not return may be behind its module. */
Test(addresses, where_two_modules_meet_an_address_is_of_the_first)
{
	struct covbuf_module first = row(0x10000, 1, 3, 0), second = row(0x11000, 1, 3, 0);

	addresses_add(&map, &second, 2);
	addresses_add(&map, &first, 1);
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x11001), 2);
	cr_assert_eq(module_at(0x11000), 1);
	cr_assert_eq(module_at(0x10000), 1, "nothing ends where it begins");
	cr_assert_eq(module_at(0xffff), ~0u);
	cr_assert_eq(module_at(0x12000), 2);
	cr_assert_eq(module_at(0x12001), ~0u);
}

Test(addresses, rows_that_are_added_are_found)
{
	struct covbuf_module first = row(0x10000, 1, 3, 0), second = row(0x20000, 1, 4, 0);

	addresses_add(&map, &first, 1);
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x20010), ~0u);
	addresses_add(&map, &second, 2);
	look_at(7, 1, 9);
	cr_assert_eq(module_at(0x20010), 2);
}

/* Two blocks of one function, and another function. */
static struct binary_point points[] = { { 0x100, 0x100 }, { 0x110, 0x110 }, { 0x200, 0x200 } };
static struct binary_point calls[] = { { 0x10c, 0x10b }, { 0x110, 0x10f }, { 0x17f, 0x17e }, { 0x1c8, 0x1c7 } };
static struct binary_symbol functions[] = { { 0x100, 0x180, "f" }, { 0x1c0, 0x1d0, "bare" }, { 0x200, 0x280, "g" } };

static uint64_t match(enum points_source source, uint64_t address)
{
	struct binary binary = { .source = source, .points = points, .nr_points = 3, .symbols = functions,
				 .nr_symbols = 3, .calls = calls, .nr_calls = 4 };
	const struct binary_point *point = binary_match(&binary, address);

	return point ? point->address : 0;
}

Test(points, a_return_address_belongs_to_the_block_of_its_call)
{
	cr_assert_eq(match(POINTS_TABLE, 0x10c), 0x100);
	cr_assert_eq(match(POINTS_TABLE, 0x110), 0x100, "the call was the last thing in the first block");
	cr_assert_eq(match(POINTS_TABLE, 0x111), 0x110, "inline counters: the entry and one");
	cr_assert_eq(match(POINTS_TABLE, 0x112), 0, "no call returns there");
	cr_assert_eq(match(POINTS_TABLE, 0x17f), 0x110);
	cr_assert_eq(match(POINTS_TABLE, 0x1c8), 0, "a function without points");
	cr_assert_eq(match(POINTS_TABLE, 0x50), 0);
}

Test(points, a_call_site_is_matched_exactly)
{
	cr_assert_eq(match(POINTS_CALLS, 0x110), 0x110);
	cr_assert_eq(match(POINTS_CALLS, 0x111), 0);
	cr_assert_eq(match(POINTS_CALLS, 0x1c8), 0);
}

Test(sizes, are_parsed_and_shown)
{
	uint64_t bytes;
	char text[16];

	cr_assert(parse_size("x", "64M", &bytes));
	cr_assert_eq(bytes, 64u << 20);
	cr_assert(parse_size("x", "1GiB", &bytes));
	cr_assert_eq(bytes, 1u << 30);
	cr_assert(parse_size("x", "4096", &bytes));
	cr_assert_eq(bytes, 4096);
	cr_assert_not(parse_size("x", "", &bytes));
	cr_assert_not(parse_size("x", "5 M", &bytes));
	cr_assert_not(parse_size("x", "16777216T", &bytes));
	cr_assert_str_eq(format_bytes(1536, text), "1.5K");
	cr_assert_str_eq(format_bytes(100, text), "100");
}

/* What must be the same, the best first: the function, the column; then before it, then near it. */
Test(by_source, the_best_point_of_a_line)
{
	struct binary_symbol symbols[] = { { 0x1000, 0x2000, "f" }, { 0x2000, 0x3000, "g" } };
	struct binary binary = { .symbols = symbols, .nr_symbols = 2 };
	const char *file = intern("a.c");
	const struct place points[] = {
		{ .address = 0x1100, .file = file, .line = 7, .column = 3 },
		{ .address = 0x1200, .file = file, .line = 7, .column = 9 },
		{ .address = 0x1300, .file = file, .line = 7, .column = 3 },
		{ .address = 0x2100, .file = file, .line = 7, .column = 5 },
		{ .address = 0x2200, .file = file, .line = 8, .column = 3 },
	};
	struct place place = { .address = 0x1280, .file = file, .line = 7, .column = 3 };
	struct by_source by;

	by_source_init(&by, &binary, points, 5);
	cr_assert_eq(by_source_find(&by, &place), &points[0], "its column, before it");
	place.address = 0x1050;
	cr_assert_eq(by_source_find(&by, &place), &points[0], "its column, behind it");
	place.column = 4;
	place.address = 0x1280;
	cr_assert_eq(by_source_find(&by, &place), &points[1], "its function, another column");
	place.address = 0x2900;
	cr_assert_eq(by_source_find(&by, &place), &points[3]);
	place.address = 0x3900;
	cr_assert_eq(by_source_find(&by, &place), &points[3], "in no function, of no column: the nearest before it");
	place.column = 3;
	cr_assert_eq(by_source_find(&by, &place), &points[2], "in no function: its column");
	place.line = 9;
	cr_assert_null(by_source_find(&by, &place));
	by_source_fini(&by);
}
