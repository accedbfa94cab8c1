# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# Profiles of modules: there for as long as covbuf.ko is, whichever came first; what they say of LLVM's figures is for check.sh.
profile=/sys/kernel/debug/covbuf/profile
here=$PWD

# shellcheck disable=SC2012
mode() { [ "$(ls -l "$2" 2>&1 | cut -c 2-10)" = "$1" ] || { ls -l "$2"; return 1; }; }
id() { printf %s "$1" | md5sum | cut -c 1-16; }
has() { [ "$(./peek counters "$1" "$(id "$2")")" = "$3" ] || { ./peek counters "$1" "$(id "$2")"; return 1; }; }
bits() { test "$(./peek bits "$1")" "$2" "$3" || { ./peek bits "$1"; return 1; }; }
covbuf() { "$here/loader" --library-path "$here/lib" "$here/covbuf.bin" "$@"; }
in_log() { dmesg | grep -qF -- "$1" || { dmesg | tail -5; return 1; }; }
run() { echo 1 > /sys/module/prof/parameters/run; }
steps() { ./peek counters $profile/prof/profraw "$(id storm_step)" | cut -d' ' -f "${1:-1}"; }
STEPS=4000

# Neither needs the other.
expect loads_without_covbuf insmod prof.ko
expect covbuf_finds_it load_covbuf profile_keep_kb=4096
expect profraw_is_roots mode r-------- $profile/prof/profraw
expect reset_is_roots mode -w------- $profile/prof/reset
refuse parameter_is_no_parameter 'Operation not permitted' insmod prof_one.ko covbuf_profile=1
expect image_is_the_module [ "$(./peek image $profile/prof/profraw)" = prof.ko ]
expect run run
expect run_again run
# As it is: the file cannot be mapped, and each look at it is another snapshot.
expect command_reads_it covbuf profraw $profile/prof/profraw -o /tmp/by-command
cp $profile/prof/profraw /tmp/copy
expect command_reads_a_copy covbuf profraw /tmp/copy -o /tmp/by-copy
expect command_reads_the_same cmp /tmp/by-command /tmp/by-copy
expect no_address ./peek addresses $profile/prof/profraw
# Nothing of it is in use: what is open holds a copy.
exec 9< $profile/prof/profraw
head -c 100 <&9 > /tmp/open
expect unloads_while_profraw_is_open rmmod prof
cat <&9 >> /tmp/open
exec 9<&-
expect opened_is_whole ./peek bits /tmp/open
expect kept cp $profile/prof/profraw /tmp/whole
expect exit_is_in_what_is_kept [ "$(cmp -l /tmp/open /tmp/whole | wc -l)" -gt 0 ]
send module /tmp/whole

# Loaded again it counts on, with covbuf.ko there first; a failing init counts too.
refuse init_fails 'Invalid argument' insmod prof.ko init=-22
expect loads_again insmod prof.ko
expect run_a_third_time run
expect rmmod_again rmmod prof
# shellcheck disable=SC2046
expect kept_is_added [ $(./peek bits $profile/prof/profraw) -ge $(./peek bits /tmp/whole) ]
expect counters_are_added has $profile/prof/profraw more_run "3 6 3 6 6"
expect reset_of_kept sh -c "echo 1 > $profile/prof/reset"
expect reset_kept_has_nothing bits $profile/prof/profraw -eq 0

# While threads and a timer count: nothing below zero, nothing that goes back; then all of it.
expect loads_for_the_storm insmod prof.ko
echo 1 > $profile/prof/reset
echo $STEPS > /sys/module/prof/parameters/storm &
wait $!
first=$(steps 1)
expect storm_is_all_there [ "$first" -ge $((2 * STEPS)) ]
expect storm_to_its_end [ "$(steps 501)" = "$first" ]
expect bits_of_a_decision bits $profile/prof/profraw -gt 0
touch /tmp/storming
while [ -e /tmp/storming ]; do echo $STEPS > /sys/module/prof/parameters/storm; done &
storm=$!
expect snapshots_in_the_storm ./peek storm $profile/prof/profraw - 300 "$(id storm_step)" 0
# Two threads may be in the middle of it, and two timers.
expect resets_in_the_storm ./peek storm $profile/prof/profraw $profile/prof/reset 300 "$(id storm_step)" 4
rm /tmp/storming
wait $storm
expect reset_at_rest sh -c "echo 1 > $profile/prof/reset"
expect reset_counters [ "$(steps 1)" = 0 ]
expect reset_bits bits $profile/prof/profraw -eq 0
expect counts_from_there run
expect from_zero has $profile/prof/profraw more_run "1 2 1 2 2"
refuse reset_knows_words 'Invalid argument' sh -c "echo all > $profile/prof/reset"
expect unloads rmmod prof

# A module of one object, one that is traced as well and counts without atomic updates.
expect one/loads insmod prof_one.ko
expect one/sends cp $profile/prof_one/profraw /tmp/one
send one /tmp/one
expect both/loads insmod prof_both.ko
echo 5 > /sys/module/prof_both/parameters/run
echo 1 > /sys/module/prof_both/parameters/run
expect both/is_traced [ -e /sys/kernel/debug/covbuf/modules/prof_both/enabled ]
expect both/sends cp $profile/prof_both/profraw /tmp/both
send both /tmp/both
expect both/has_bits bits $profile/prof_both/profraw -gt 0
refuse both/reset_is_refused 'its bitmaps are not updated atomically' sh -c "echo 1 > $profile/prof_both/reset"
expect both/reset_counters sh -c "echo counters > $profile/prof_both/reset"
expect both/leaves_bits bits $profile/prof_both/profraw -gt 0
expect both/reset_quiet sh -c "echo quiet > $profile/prof_both/reset"
expect both/clears_bits bits $profile/prof_both/profraw -eq 0
# Its loop's counters are in memory while it runs, though their updates are not atomic.
spin_id=$(id both_spin)
looks() { # NAME PASSES: there are more, and the loop goes on
	for _ in 1 2 3 4 5 6 7 8; do
		passes=$(./peek counters $profile/prof_both/profraw "$spin_id" | cut -d' ' -f 2)
		kill -0 $spin 2> /dev/null || { skip "$1" "the loop had ended before it was looked at"; return; }
		[ "$passes" -le "$2" ] || { ok "$1"; return; }
		sleep 0.3
	done
	not_ok "$1" "$passes passes, not more than $2"
}
echo 1 > /sys/module/prof_both/parameters/spin &
spin=$!
looks both/loop_is_seen 0
looks both/loop_goes_on "$passes"
echo 1 > /sys/module/prof_both/parameters/stop
wait $spin
expect both/unloads rmmod prof_both
expect one/unloads rmmod prof_one

# What covbuf.ko cannot read has no profile, and is told.
expect other_version_loads insmod prof_other.ko
expect other_version_is_told in_log 'prof_one: no profile: it was built with version 2 of profile.mk, covbuf.ko knows version 1'
# It has the name of one that was kept, of another build.
expect bad_loads insmod prof_bad.ko
expect bad_is_told in_log 'prof_bad: no profile: records of another profile format: build all of it anew, by one clang'
expect bad_has_no_files [ ! -e $profile/prof_bad ]
expect covbuf_unloads_before_them unload_covbuf
# Enough for any one of them, not for two.
expect covbuf_finds_them_again load_covbuf profile_keep_kb=$(($(wc -c < /tmp/one) / 1024 + 4))
expect refused_again [ ! -e $profile/prof_bad ]
rmmod prof_one prof_bad

# Memory for what is kept is bounded; none is kept without.
expect loads_one insmod prof_one.ko
expect loads_the_other insmod prof_both.ko
rmmod prof_one
expect kept_first [ -e $profile/prof_one/profraw ]
rmmod prof_both
expect kept_second [ -e $profile/prof_both/profraw ]
expect oldest_went [ ! -e $profile/prof_one ]
expect smaller sh -c 'echo 0 > /sys/module/covbuf/parameters/profile_keep_kb'
expect none_is_kept [ ! -e $profile/prof_both ]
expect comes insmod prof.ko
exec 9< $profile/prof/profraw
head -c 100 <&9 > /tmp/open
expect goes_while_profraw_is_open rmmod prof
expect goes_altogether [ ! -e $profile/prof ]
cat <&9 >> /tmp/open
exec 9<&-
expect opened_outlives_it ./peek bits /tmp/open

# Built by a newer clang.
if [ -e newer ]; then
	echo 4096 > /sys/module/covbuf/parameters/profile_keep_kb
	expect newer/loads insmod newer/prof.ko
	expect newer/run run
	expect newer/run_again run
	expect newer/unloads rmmod prof
	send newer $profile/prof/profraw
elif [ "$KERNEL" = 6.12 ]; then
	skip newer "there is no clang-22, or its llvm-profdata or llvm-cov"
fi

# Coming and going under readers and resets, kept and not.
come_and_go() {
	for kb in 0 4096 0 4096 0 4096; do
		echo $kb > /sys/module/covbuf/parameters/profile_keep_kb
		insmod prof.ko && rmmod prof && insmod prof.ko && rmmod prof || return 1
	done
}
touch /tmp/reading
for _ in 1 2; do
	while [ -e /tmp/reading ]; do
		cat $profile/prof/profraw
		echo 1 > $profile/prof/reset
	done > /dev/null 2>&1 &
done
expect comes_and_goes_under_readers come_and_go
rm /tmp/reading
wait
expect at_rest at_rest
expect covbuf_unloads unload_covbuf
