#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# processes.sh MAJOR
#
# However processes come to be and end, all of them together have as many calls in their files as they made.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
use_clang "$1"
slow=${COVBUF_TEST_SLOWNESS:-1}
build processes processes.c -pthread
[ "$failed" = 0 ] || exit 1

sum() { # NAME MODE: the processes print how often they called
	run ./processes "$2" || not_ok "$1: $(cat err)"
	[ ! -s err ] || not_ok "$1: $(cat err)"
	join
	equal "$1" "$(cat out)" "$(calls hit)"
}

forms="whole counts"
[ -z "${COVBUF_EMULATED:-}" ] || forms=whole
for form in $forms; do
	export COVBUF_PROFILE_FORM=$form
	for how in exit _exit quick_exit abort kill crash; do
		(run ./processes finish $how) 2> /dev/null
		join
		equal "$form: counts after $how" 10 "$(calls hit)"
	done
	sum "$form: children and theirs, all at once" fork_tree
	equal "$form: one template" 1 "$(files template)"
	if [ $form = whole ]; then
		equal "$form: a whole file, and six with counts" "1 6" "$(files profraw) $(files profcnt)"
	else
		equal "$form: seven files with counts" "0 7" "$(files profraw) $(files profcnt)"
	fi
	sum "$form: a thread counts, another forks" fork_in_thread
	sum "$form: vfork, posix_spawn, exec, system" start_others

	rm -rf profile said
	for ((i = 0; i < 30 / slow; i++)); do
		COVBUF_PROFILE=profile EARLY_SIGNALS=1 ./processes signals >> said || not_ok "$form: signals: exit status $?"
	done
	join
	equal "$form: signals before, while and after the runtime starts" "$(awk '{ n += $1 } END { print n }' said)" "$(calls hit)"

	for mode in stay descriptors file_size chroot; do
		[ $mode != chroot ] || [ "$(id -u)" = 0 ] || { echo "skipped chroot: needs root"; continue; }
		run ./processes $mode || not_ok "$form: $mode: exit status $?"
		join
		if [ $mode = stay ]; then
			equal "$form: chdir, no descriptors of old: children have files" "50 0 0" "$(calls hit) $(cat lost) $(wc -l < err)"
		else
			equal "$form: $mode: children without files are counted, told of once, and change nothing" \
				"10 2 1" "$(calls hit) $(cat lost) $(wc -l < err)"
		fi
	done

	run ./processes lose_child
	join
	equal "$form: a child without a file leaves its parent's alone" "1 1" "$(cat lost) $(cat in_use)"
	run ./processes fork_in_emptied
	join
	equal "$form: a child's counts can be read where nothing else is left" "10 1 1" "$(calls hit) $(files profcnt) $(files template)"

	if [ -z "${COVBUF_EMULATED:-}" ]; then
		run ./processes kill_at_each_call || not_ok "$form: kills: $(cat err)"
		join
		[ "$(cat out)" -gt 100 ] || not_ok "$form: killed at $(cat out) system calls only"
		check "$form: killed at each of $(cat out) system calls: files are whole, or half made and hidden" [ "$(calls hit)" -ge 20 ]
	fi

	run ./processes storm $((120 / slow)) || not_ok "$form: the storm: $(cat err)"
	join
	read -r least most < out
	got=$(calls hit)
	if [ "$got" -ge "$least" ] && [ "$got" -le "$most" ]; then
		ok "$form: $((120 / slow)) processes killed at any moment: $got calls, $(find profile -name '.*.[0-9]*' | wc -l) half-made files"
	else
		not_ok "$form: $got calls, not $least to $most"
	fi
done
exit "$failed"
