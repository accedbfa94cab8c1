#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Recordings that are none, damaged, cut, of another version, or not to be read: a message of one line
# and exit status 1, from each command; and never a crash.
. "$(dirname "$0")/lib.sh"
build_gcc program || exit 1
"$COVBUF" run -q -o good ./program 10
size=$(stat -c %s good)

refuse() { # NAME PATTERN FILE
	local command
	for command in report stat "export --lcov" "top --once"; do
		# shellcheck disable=SC2086
		expect "$command: $1" 1 "covbuf ${command%% *}: $3: .*$2" "$COVBUF" $command "$3"
		one_line "${command%% *}"
	done
}

refuse "missing" "No such file" missing
refuse "empty" "." /dev/null
: > empty
refuse "an empty file" "cut short|not a segment" empty
head -c 100000 /dev/urandom > noise
refuse "noise" "not a segment" noise
refuse "a program" "not a segment" program
mkdir directory
refuse "a directory" "." directory
head -c 1000 good > short
refuse "cut in its header" "cut short" short
head -c 70000 good > tables
refuse "cut in its tables" "cut short" tables
cp good version
printf '\011' | dd of=version bs=1 seek=8 conv=notrunc status=none
refuse "another version" "version 9" version
if [ "$(id -u)" != 0 ]; then
	cp good secret
	chmod 000 secret
	refuse "not to be read" "Permission denied" secret
fi

# Cut in its records: what is there is reported.
head -c $((size - 65536)) good > "cut"
expect "cut in its records" 0 "parts are damaged or cut off" "$COVBUF" report cut

# Bytes changed in header and tables, at many places: an error or a report, never a crash.
sparse=${COVBUF_EMULATED:+5} # what a run of the command costs is another matter there
for at in $(seq 0 $((13 * ${sparse:-1})) 700) $(seq 65536 $((97 * ${sparse:-1})) 70000) \
	$(seq $((size - 65536)) $((4099 * ${sparse:-1})) $((size - 1))); do
	cp good bad
	printf '\377\377\377' | dd of=bad bs=1 seek="$at" conv=notrunc status=none
	for command in report stat "merge -o merged"; do
		# shellcheck disable=SC2086
		timeout 120 "$COVBUF" $command bad > out 2>&1
		status=$?
		[ $status -le 1 ] || not_ok "$command, bytes changed at $at: exit status $status"
	done
done
ok "changed bytes"
expect "standard output that is full" 1 "standard output: cannot write" sh -c "'$COVBUF' report good > /dev/full"
done_testing
