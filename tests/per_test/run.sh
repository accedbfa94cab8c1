#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Differences between points in a program: as points.c checks them against the counters, with and without a profile
# directory, in a program with libcovbuf.a, with libcovbuf.so, and a static one; then what `covbuf profraw --label`
# and llvm-cov make of the files that were saved, after the program was killed.
# Usage: run.sh CLANG MAJOR-VERSION [NAME]; NAME: only this one of points.c, with libcovbuf.a
set -eu
clang=$1
version=$2
source=$COVBUF_SOURCE/tests/per_test
covbuf=$COVBUF_BUILD/tools/covbuf
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset COVBUF_PROFILE COVBUF_PROFILE_FORM LLVM_PROFILE_FILE
fail() { echo "not ok: $*"; exit 1; }

coverage=(-O1 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
adapter=$("$COVBUF_SOURCE/scripts/link-flags.sh" --profile "$clang" "$COVBUF_BUILD")
engine=("$COVBUF_BUILD/libcovbuf/libcovbuf.a" -lurcu -lpthread -lm -ldl "-Wl,--wrap=pthread_create,--wrap=_Fork"
	"-Wl,--export-dynamic-symbol=covbuf_*,--export-dynamic-symbol=posix_fallocate,--export-dynamic-symbol=secure_getenv")
"$clang" -O1 -Wall -Wextra -Werror -I"$COVBUF_SOURCE/include" -c "$source/points.c" -o points.o
"$clang" "${coverage[@]}" -c "$source/subject.c" -o subject.o
"$clang" "${coverage[@]}" -fprofile-update=atomic -c "$source/subject.c" -o subject_atomic.o
"$clang" "${coverage[@]}" -fPIC -shared "$source/library.c" "$adapter" -o library.so
"$clang" points.o subject.o "$adapter" "${engine[@]}" -o points

nr_dirs=0
run() { # PROGRAM NAME: without and with a profile directory
	timeout 250 "./$1" "$2" || fail "$1 $2"
	COVBUF_PROFILE=run$((++nr_dirs)) timeout 250 "./$1" "$2" || fail "COVBUF_PROFILE=... $1 $2"
}
[ -z "${3:-}" ] || { run points "$3"; exit; }

"$clang" points.o subject_atomic.o "$adapter" "${engine[@]}" -o points_atomic
"$clang" points.o subject.o "$adapter" -L"$COVBUF_BUILD/libcovbuf" -lcovbuf -Wl,-rpath,"$COVBUF_BUILD/libcovbuf" -o points_so
"$clang" -static points.o subject.o "$adapter" "${engine[@]}" -o points_static 2> log || { cat log; exit 1; }
"$clang" points.o subject.o "$COVBUF_BUILD/adapters/llvmprof/$version/runtime.o" "${engine[@]}" -o points_bare

for name in add_up have_what_was_covered know_images_that_come_and_go know_images_that_come_and_go_meanwhile \
	know_images_that_are_being_opened belong_to_their_process bear_threads refuse_what_is_wrong; do
	run points "$name"
done
run points_atomic bear_threads_exactly
run points_so know_images_that_come_and_go
run points_so know_images_that_are_being_opened
run points_so add_up
run points_static add_up
run points_static have_what_was_covered
./points_bare add_up # its sections have no pages of their own
COVBUF_PROFILE_FORM=counts run points belong_to_their_process

# ---- what was saved --------------------------------------------------------------------------------------------------

[ -n "$(command -v "llvm-cov-$version" || ls "/usr/lib/llvm-$version/bin/llvm-cov" 2> /dev/null)" ] ||
	{ echo "no llvm-cov-$version: what was saved is not looked at"; exit 77; }
PATH=$PATH:/usr/lib/llvm-$version/bin

lines() { # PROGRAM PROFDATA: how often the loop's body ran
	"llvm-cov-$version" show "./$1" -instr-profile="$2" | awk -F'|' '/sink = i;/ { gsub(/ /, "", $2); print $2 }'
}
mcdc() { # PROGRAM PROFDATA: "covered of all" conditions
	"llvm-cov-$version" export -summary-only "./$1" -instr-profile="$2" |
		sed -E 's/.*"mcdc":\{"count":([0-9]+),"covered":([0-9]+).*/\2 of \1/'
}
shown() { # PROGRAM DIRECTORY LABEL: lines and MC/DC of one test; without a label, of the process
	rm -f out.profraw out.profdata
	"$covbuf" profraw "$2" ${3:+--label "$3"} -o out.profraw --profdata out.profdata > log 2>&1 || { cat log; exit 1; }
	echo "$(lines "$1" out.profdata), $(mcdc "$1" out.profdata)"
}
expect() { # TEXT GOT WHAT
	[ "$1" = "$2" ] || fail "$3: '$2' and not '$1'"
	echo "ok $3: $2"
}
for asked in saved own; do # in the profile directory, or in one that the program names
	for flags in "" _that_clear; do
		rm -rf "$asked"
		case $asked in
		saved) COVBUF_PROFILE=saved ./points "save_tests$flags" && exit 1 ;;
		own) ./points "save_tests$flags" own && exit 1 ;;
		esac
		third="300, 0 of 3" # its bits were set before
		[ -z "$flags" ] || third="300, 3 of 3"
		expect "100, 3 of 3" "$(shown points $asked first)" "$asked$flags: first"
		expect "200, 0 of 3" "$(shown points $asked second)" "$asked$flags: second"
		expect "$third" "$(shown points $asked third)" "$asked$flags: third"
		expect "0, 0 of 3" "$(shown points $asked nothing)" "$asked$flags: nothing"
		[ $asked = own ] || expect "605, 3 of 3" "$(shown points $asked "")" "$asked$flags: all of it"
		[ "$(stat -c %a $asked)" = 700 ] || fail "$asked has mode $(stat -c %a $asked)"
		for file in "$asked"/*; do
			[ "$(stat -c %a "$file")" = 600 ] || fail "$file has mode $(stat -c %a "$file")"
		done
		! ls "$asked"/.[!.]* 2> /dev/null || fail "it left something behind"
	done
done
chmod 777 own
./points save_tests own > log || true
grep -q "anybody may remove files" log || { cat log; fail "it wrote into a directory of everybody's"; }

./points save_of_an_image_that_is_closed closed
COVBUF_PROFILE=closed_too ./points save_of_an_image_that_is_closed
for saved in closed closed_too; do
	"$covbuf" profraw "$saved" --label closed -o out.profraw --profdata out.profdata > log
	nr=2
	[ $saved = closed ] || nr=3
	expect $((nr * 17)) "$(lines library.so out.profdata)" "of an image that is closed"
done
