# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# The sample module as its users have it: what it does in a task, a softirq, a work item and a timer reaches the client it was
# done for, in the right area, and no other; its functions are found by their addresses.
sample=/dev/covbuf_sample

# shellcheck disable=SC2012
mode() { [ "$(ls -l "$1" 2>&1 | cut -c 2-10)" = rw------- ] || { ls -l "$1"; return 1; }; }
# Of collect's lines: the functions of an area, and how many records one of them has.
functions() { sed -n "s/^$2 \(.*\) [0-9]*$/\1/p" "$1" | sort | tr '\n' ' '; }
records() { sed -n "s/^$2 $3 //p" "$1"; }
are() { [ "$(functions "$1" "$2")" = "$3" ] || { cat "$1"; return 1; }; }
has() { # FILE AREA FUNCTION...
	_file=$1 _area=$2
	shift 2
	for _function; do
		[ -n "$(records "$_file" "$_area" "$_function")" ] || { cat "$_file"; return 1; }
	done
}
has_not() { # FILE AREA FUNCTION...
	_file=$1 _area=$2
	shift 2
	for _function; do
		[ -z "$(records "$_file" "$_area" "$_function")" ] || { cat "$_file"; return 1; }
	done
}
# As many times the records of one round.
hundredfold() { # ONE MANY AREA FUNCTION
	_one=$(records "$1" "$3" "$4") _many=$(records "$2" "$3" "$4")
	echo "one round: $_one, a hundred: $_many"
	[ "$_many" = "${_one}00" ]
}
# shellcheck disable=SC2016
run_names() {
	./collect -m names -u 7 sh -c 'for name in work_common work_usb softirq_usb task_usb scope; do
		echo $name > /sys/module/names/parameters/run || exit 1
	done' > /tmp/names
}
# The files of who was killed may not be closed yet.
until_unloaded() {
	for _ in $(seq 100); do
		rmmod covbuf_sample && return 0
		sleep 0.1
	done
	return 1
}
# What a place runs.
does() { case $1 in softirq) echo checksum ;; work) echo count_letters ;; timer) echo longest_run ;; esac; }

refuse needs_covbuf 'Unknown symbol' insmod gcc-12/covbuf_sample.ko
expect plain_loads insmod plain/covbuf_sample.ko
expect plain_works ./drive all 3
expect plain_unloads rmmod covbuf_sample

expect covbuf_loads load_covbuf
for cc in gcc-12 clang-19; do
	expect $cc/loads insmod $cc/covbuf_sample.ko
	expect $cc/device_is_roots mode $sample
	expect $cc/works_uncollected ./drive all 3

	# One round, to know what it gives; then a hundred of each kind at once, beside some that nobody collects.
	expect $cc/collects sh -c "./collect ./drive all > /tmp/one"
	expect $cc/remote_is_what_was_deferred are /tmp/one remote "checksum count_letters longest_run "
	expect $cc/task_is_the_rest has_not /tmp/one task checksum count_letters longest_run
	pids=
	for place in softirq work timer; do
		device=/sys/kernel/debug/kcov
		[ $place != work ] || device=/dev/covbuf
		./collect -d $device ./drive $place 100 > /tmp/$place.many &
		pids="$pids $!"
	done
	failed=
	./drive all 100 || failed="$failed drive"
	for pid in $pids; do
		wait "$pid" || failed="$failed $pid"
	done
	expect $cc/all_work_together [ "$failed" = '' ]
	for place in softirq work timer; do
		many=/tmp/$place.many
		expect $cc/$place/together_remote_is_only_its are $many remote "$(does $place) "
		expect $cc/$place/all_records_are_there hundredfold /tmp/one $many remote "$(does $place)"
		expect $cc/$place/task_is_the_rest has $many task device_write device_ioctl sample_parse answer_sum answer_name \
			sample_defer
		expect $cc/$place/task_is_not_remote has_not $many task checksum count_letters longest_run '(elsewhere)' '(full)'
		expect $cc/$place/all_of_the_task_is_there hundredfold /tmp/one $many task sample_parse
	done

	exec 9<> $sample
	refuse $cc/open_is_not_unloaded 'unavailable' rmmod covbuf_sample
	refuse $cc/used_is_not_unloaded 'unavailable' rmmod covbuf
	exec 9>&-
	./collect ./drive all 100000 > /dev/null &
	# The task that uses the sample is killed in the middle of what is done for it, and who collects it.
	until pidof drive > /tmp/drive; do
		sleep 0.1
	done
	kill -9 "$(cat /tmp/drive)" $!
	wait $! 2> /dev/null
	expect $cc/unloads_after_a_kill until_unloaded

	expect $cc/names_load insmod $cc/names.ko
	expect $cc/names/collects run_names
	expect $cc/names/common has /tmp/names remote work_common
	expect $cc/names/usb has /tmp/names remote work_usb
	expect $cc/names/softirq_form_in_a_softirq has /tmp/names remote softirq_usb
	expect $cc/names/softirq_form_in_a_task has /tmp/names task task_usb
	expect $cc/names/softirq_form_starts_nothing_there has_not /tmp/names remote task_usb
	expect $cc/names/scope_to_a_return has /tmp/names remote scope_early
	expect $cc/names/scope_to_the_end has /tmp/names remote scope_late
	expect $cc/names/scope_ends has_not /tmp/names remote scope_behind
	expect $cc/names/left_out has_not /tmp/names remote left_out
	expect $cc/names_unload rmmod names
done
expect at_rest at_rest
expect covbuf_unloads unload_covbuf
