/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All cases. COVB_CASES_ANYWHERE(X) calls X(case) for those that run at any level, COVB_CASES_SLEEPING(X)
 * for those that run in a task or thread only.
 */
#ifndef COVB_VECTORS_CASES_H
#define COVB_VECTORS_CASES_H

#include "tests/vectors/vectors.h"

#include "tests/vectors/flag.h"
#include "tests/vectors/queue.h"
#include "tests/vectors/handle.h"
#include "tests/vectors/pool.h"
#include "tests/vectors/context.h"
#include "tests/vectors/section.h"
#include "tests/vectors/merge.h"
#include "tests/vectors/owner.h"

#define COVB_CASES_ANYWHERE(X) \
	X(flag_take_names_the_holder_and_raises_the_generation) \
	X(flag_take_refuses_what_is_not_free) \
	X(flag_move_keeps_the_generation) \
	X(flag_move_refuses_who_does_not_hold_it) \
	X(flag_give_twice_is_refused) \
	X(flag_give_does_not_take_it_from_the_next_holder) \
	X(flag_has_its_fields_to_the_last_bit) \
	X(queue_gives_newest_first) \
	X(queue_that_is_empty_gives_nothing) \
	X(queue_walk_ends_at_a_link_that_names_no_area) \
	X(queue_claim_wants_an_area_that_is_queued) \
	X(handle_is_found_with_its_owner_and_generation) \
	X(handle_numbers_that_mark_slots_are_none) \
	X(pool_take_finds_an_area_that_is_empty) \
	X(pool_gives_each_area_once_until_it_is_empty) \
	X(pool_that_was_empty_finds_the_one_that_came_back) \
	X(pool_hint_brings_the_same_area_back) \
	X(pool_hint_may_be_any_number) \
	X(pool_has_nothing_of_another_class) \
	X(pool_give_twice_is_refused) \
	X(pool_discard_counts_and_empties) \
	X(context_open_takes_a_slot_and_close_leaves_it) \
	X(context_slot_has_a_generation_and_its_losses_are_kept) \
	X(context_push_and_pop_restore_what_was_there) \
	X(context_finds_a_section_by_its_token) \
	X(context_close_ends_its_sections) \
	X(section_records_reach_the_owners_target) \
	X(section_of_comparisons_has_four_words_a_record) \
	X(section_without_a_record_leaves_the_pool_as_it_was) \
	X(section_takes_its_area_with_its_first_record) \
	X(section_alone_records) \
	X(section_that_is_nested_stops_first) \
	X(section_of_another_owner_pauses_the_outer_one) \
	X(section_stop_ends_what_was_left_open_above_it) \
	X(section_stops_once) \
	X(section_of_a_handle_that_nobody_enabled_is_counted) \
	X(section_of_another_generation_is_refused) \
	X(section_tokens_are_new_for_each_taking_of_an_area) \
	X(section_counts_what_does_not_fit_into_its_area) \
	X(section_of_comparisons_counts_what_does_not_fit_into_its_area) \
	X(section_fills_its_area_to_the_last_record) \
	X(section_without_an_area_counts_its_records) \
	X(section_without_an_area_in_another_one) \
	X(section_without_an_area_of_each_mode) \
	X(section_without_an_area_or_a_frame) \
	X(merge_counts_what_does_not_fit) \
	X(merge_of_comparisons_counts_what_does_not_fit) \
	X(merge_begins_anew_where_the_reader_stored_zero) \
	X(merge_fills_the_target_to_the_last_record) \
	X(merge_does_not_believe_a_count_beyond_the_target) \
	X(merge_leaves_it_to_who_merges_and_keeps_the_order) \
	X(merge_drops_what_is_of_an_earlier_enable) \
	X(merge_gives_areas_back_empty)

#define COVB_CASES_SLEEPING(X) \
	X(handle_is_added_once) \
	X(handle_that_was_removed_is_not_found) \
	X(handle_is_found_behind_one_that_was_removed) \
	X(handle_takes_the_place_of_one_that_was_removed) \
	X(handle_table_does_not_grow_by_handles_that_come_and_go) \
	X(handle_table_grows_and_keeps_what_is_there) \
	X(context_beyond_the_last_slot_is_counted) \
	X(section_of_an_owner_that_was_disabled_is_stale) \
	X(section_is_of_the_enable_that_it_began_in) \
	X(section_stops_at_the_level_it_began_at) \
	X(section_at_a_level_above_has_an_area_of_its_own) \
	X(owner_options_that_make_no_sense_are_refused) \
	X(owner_of_counted_areas) \
	X(owner_target_is_as_large_as_asked_for) \
	X(owner_slot_comes_back_after_a_grace_period) \
	X(owner_sequence_is_odd_while_it_is_enabled) \
	X(owner_generation_is_raised_by_each_disable) \
	X(owner_is_enabled_once_and_disabled_once) \
	X(owner_local_records_reach_the_target) \
	X(owner_local_records_beyond_the_target_are_counted) \
	X(owner_handles_are_checked) \
	X(owner_handles_are_taken_all_or_none) \
	X(owner_common_handle_is_its_contexts_until_the_disable) \
	X(owner_reset_begins_anew_and_stays_enabled) \
	X(owner_reset_goes_on_where_it_was_enabled) \
	X(owner_waiting_disable_in_its_own_section_is_refused) \
	X(owner_disable_under_an_open_section) \
	X(owner_last_put_disables) \
	X(owner_is_configured_while_it_is_disabled) \
	X(owner_limits_the_words_of_a_section) \
	X(owner_that_is_cut_collects_nothing_more)

#endif
