#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Profile directories in which there is anything: damaged notes, cut and sparse files, pipes, links, other people's files;
# a line says what is wrong, nothing is written, and never a crash or a hang. And directories of many files.
. "$(dirname "$0")/lib.sh"
maker=${COVBUF_PROFILE_MAKER:?COVBUF_PROFILE_MAKER: tests/command/profile_maker}
C=700 B=33 # counters, bytes of bitmaps
fresh() { rm -rf d && mkdir d && "$maker" make d image 0xabc 0 "${1:-4}" $C $B; }
file=d/image.0000000000000abc.2000000001.0.profcnt
template=d/image.0000000000000abc.template
refuse() { # NAME PATTERN
	rm -f out.profraw
	expect "$1" 1 "$2" timeout 120 "$COVBUF" profraw d -o out.profraw
	check "$1: nothing is written" test ! -e out.profraw
}
pass() { # NAME PROCESSES PATTERN
	expect "$1" 0 "$3" timeout 120 "$COVBUF" profraw d -o out.profraw
	check "$1: the sum" "$maker" check out.profraw 0 "$2" $C $B
}

# Somebody holds a lock for longer than is waited for: seen at the end.
mkdir locked
(exec 9< locked; flock 9; "$COVBUF" profraw locked -o x 2> locked.out) &

fresh
pass "all is well" 4 "4 profiles of 1 image"
check "readable to its user alone" test "$(stat -c %a out.profraw)" = 600
expect "the same directory twice" 0 "4 profiles" "$COVBUF" profraw d d d/*.profcnt -o twice.profraw
check "counts once" cmp out.profraw twice.profraw
ln d/image.0000000000000abc.2000000001.0.profcnt d/image.0000000000000abc.2000000077.0.profcnt
pass "a file of two names counts once" 4 "4 profiles"

# Which files are of one process: the first is of no known namespace, as those of old runtimes; so they are two of three.
fresh 3
for i in 1 2; do
	"$maker" set "d/image.0000000000000abc.200000000$i.0.profcnt" pid 2000000000
	"$maker" set "d/image.0000000000000abc.200000000$i.0.profcnt" started 1000
	"$maker" set "d/image.0000000000000abc.200000000$i.0.profcnt" pid_namespace 402653183$i
done
expect "a pid in two namespaces is two processes" 0 "image +2 +0 " "$COVBUF" profraw --list d
"$maker" set d/image.0000000000000abc.2000000002.0.profcnt pid_namespace 4026531831
expect "two images of one process are one" 0 "image +1 +0 " "$COVBUF" profraw --list d

# What is no profile is passed over, and not waited for.
fresh
mkfifo d/pipe d/pipe.profcnt d/pipe.template
ln -s /dev/zero d/zero.profraw
ln -s d d/link.template
ln -s nowhere d/nowhere.profcnt
mkdir d/directory.profraw d/.hidden
head -c 9000 /dev/urandom > d/noise.profraw
head -c 9000 /dev/urandom > d/.half.profcnt.new
truncate -s 1T d/huge.profraw
printf '\201rforpl\377' | dd of=d/huge.profraw conv=notrunc status=none
: > d/empty.profraw
pass "what is not ours" 4 "10 files were passed over"
expect "a pipe by its name" 1 "neither a file nor a directory" timeout 120 "$COVBUF" profraw d/pipe -o x
expect "a device by its name" 1 "neither a file nor a directory" timeout 120 "$COVBUF" profraw /dev/zero -o x
expect "noise by its name" 1 "noise.profraw: it is not a profile" "$COVBUF" profraw d/noise.profraw -o x
expect "no such file" 1 "No such file" "$COVBUF" profraw nowhere -o x
expect "a profile of another runtime" 1 "raw profile that is not covbuf's; llvm-profdata reads it" "$COVBUF" profraw d/huge.profraw -o x

# What is ours and damaged is not.
fresh
truncate -s 6000 $file
refuse "cut short" "it is cut short: 6000 bytes of"
fresh
: > $file
refuse "empty" "too short for a profile"
fresh
"$maker" set $file version 2
refuse "of a later version" "it is a profile of version 2, this covbuf reads version 1"
fresh
truncate -s 8T $file
refuse "something behind it" "goes on behind its end"
fresh
"$maker" set $file file_bytes 0x80000000000
truncate -s 8T $file
"$maker" set $file counters_bytes 0x40000000000
refuse "sparse and huge" "are not believed"
fresh
for field in bitmaps_offset template_bitmaps; do "$maker" set $template $field 0x10000000000; done
"$maker" set $template file_bytes 0x20000000000
truncate -s 2T $template
refuse "a sparse gap" "besides counters and bitmaps is not believed"
fresh
"$maker" set $template file_bytes 0x20000000000
truncate -s 2T $template
refuse "a sparse end" "besides counters and bitmaps is not believed"
fresh
"$maker" set $template counters_bytes 5592
"$maker" set $template bitmaps_offset 12280
"$maker" set $template template_bitmaps 12280
refuse "another layout" "of an image which it does not fit"
fresh
rm $template
refuse "without its template" "cannot be read without its template"
fresh
cp $file $template
refuse "counts as a template" "a template is a raw profile"
fresh
"$maker" set $file processes 3
"$maker" set $file summed_bytes 0x7fffffffffffffff
refuse "a list of names that is elsewhere" "lie outside"

# Every field, with values that are too large or wrap around: refused, or a sum; not a crash.
values="9697 0xfffffffffffff000"
[ "${COVBUF_EMULATED:-}" ] || values+=" 1 0x40000000 0x7ffffffffffffff8 0xffffffffffffffff"
for field in version kind id raw_version file_bytes counters_offset counters_bytes bitmaps_offset bitmaps_bytes \
	template_counters template_bitmaps started pid lost_processes processes summed_bytes \
	pid_namespace; do
	for value in $values; do
		for victim in $file $template; do
			fresh 2
			"$maker" set "$victim" $field $value
			timeout 120 "$COVBUF" profraw d -o out.profraw > out 2>&1
			status=$?
			[ $status -le 1 ] || not_ok "$field $value in $victim: exit status $status"
			[ $status = 0 ] || grep -q "^covbuf profraw: " out || not_ok "$field $value in $victim: no message"
		done
	done
done
ok "every field of a note"
LC_ALL=C sed -i 's,/nowhere/image,/\x1b[2Jhere\x07\n,' $file
"$COVBUF" profraw d --list > out 2>&1
check "no control characters on a terminal" test -z "$(LC_ALL=C tr -d '\n -~' < out)"

# Somebody cuts a file, and makes it whole again, while it is read.
rm -rf d && mkdir d && "$maker" make d image 0xabc 0 4 200000 5000
bytes=$(stat -c %s $file)
cp $file whole
: > cutting
(while [ -e cutting ]; do truncate -s $((RANDOM * bytes / 32768)) $file; cat whole > $file; done) &
cutter=$!
for _ in $(seq 40); do
	timeout 120 "$COVBUF" profraw d -o out.profraw > out 2>&1
	status=$?
	[ $status -le 1 ] || not_ok "cut while it is read: exit status $status"
done
rm cutting
wait $cutter
ok "cut while it is read"

# Labels.
fresh
for label in parser/good parser/bad lexer; do "$maker" label d image 0xabc 1 $C $B $label; done
"$maker" label d image 0xabc 2 $C $B parser/bad
expect "a device as output" 1 "/dev/null: it is there, and no file; give another name" "$COVBUF" profraw d -o /dev/null
check "stays one" test -c /dev/null
: > pointed
ln -s pointed link
"$COVBUF" profraw -q d -o link
check "a link is followed" "$maker" check pointed 0 4 $C $B
pass "differences are not part of the sum" 4 "4 profiles"
expect "labels are listed" 0 "^parser/bad +1" "$COVBUF" profraw --list d
expect "one label" 0 "1 profile " "$COVBUF" profraw --label 'parser/b*' d -o out.profraw
check "its counts" "$maker" check out.profraw 2 3 $C $B
expect "two labels" 0 "2 profiles " "$COVBUF" profraw --label 'parser/*' --label lexer d -o out.profraw
check "their counts" "$maker" check out.profraw 1 3 $C $B
expect "a label that is not there" 1 "no difference with a label 'nope'" "$COVBUF" profraw --label nope d -o x
expect "an image that is not there" 1 "no image 'nope'" "$COVBUF" profraw --image nope d -o x
expect "an image by its ID" 0 "4 profiles" "$COVBUF" profraw --image 0000000000000abc d -o out.profraw

# Many.
many=${COVBUF_EMULATED:+500}
many=${many:-10000}
fresh "$many"
start=$(date +%s%N)
expect "$many files" 0 "$many profiles" "$COVBUF" profraw d -o out.profraw
check "all of them" "$maker" check out.profraw 0 "$many" $C $B
check "in seconds" test $((($(date +%s%N) - start) / 1000000)) -lt 20000
wait
expect "a lock that is not given back" 0 "another covbuf has been adding up" cat locked.out
done_testing
