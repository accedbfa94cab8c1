#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf run --profile and covbuf profraw, with programs of clang and llvm-profdata as the judge of sums.
. "$(dirname "$0")/lib.sh"
scripts=${COVBUF_LLVMPROF:?COVBUF_LLVMPROF: where the build has the adapters for LLVM profiles}
versions=()
for version in 19 22 14; do
	command -v clang-$version > /dev/null && command -v llvm-profdata-$version > /dev/null &&
		[ -e "$scripts/$version/covbuf.lds" ] && versions+=("$version")
done
v=${versions[0]:-}
[ -n "$v" ] || { echo "there is no clang-N with llvm-profdata-N: install clang-19 and llvm-19"; exit 77; }

cat > counted.c << 'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int decide(int x, int y) { return x > 1 && (y > 2 || x == y); }
int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 3, sum = 0;
	const char *end = argc > 2 ? argv[2] : "";

	for (int i = 0; i < n; i++)
		sum += decide(i, n);
	if (!strcmp(end, "fork"))
		for (int i = 0; i < n; i++)
			if (!fork()) {
				for (int k = 0; k < i; k++)
					sum += decide(k, i);
				_exit(sum & 1);
			}
	while (wait(NULL) > 0)
		;
	if (!strcmp(end, "kill"))
		raise(SIGKILL);
	if (!strcmp(end, "leave") && !fork()) {
		sleep(1);
		decide(1, 2);
		_exit(0);
	}
	if (!strcmp(end, "stay") && !fork()) {
		while (access("go", F_OK))
			usleep(10000);
		_exit(0);
	}
	if (!strcmp(end, "sleep")) {
		puts("asleep");
		fflush(stdout);
		sleep(600);
	}
	return !strcmp(end, "exit") ? n : 0;
}
END

build() { # NAME VERSION [FLAGS...]: an image of that clang
	local name=$1 version=$2 mcdc=-fcoverage-mcdc
	shift 2
	[ "$version" -ge 18 ] || mcdc=
	"clang-$version" -O1 -fprofile-instr-generate -fcoverage-mapping $mcdc "$@" counted.c -o "$name" \
		-Wl,-T,"$scripts/${runtime:-$version}/covbuf.lds" -Wl,--build-id
}
counts() { "llvm-profdata-${2:-$v}" show --all-functions --counts "$1"; }
calls() { counts "$1" | grep -A 3 "decide:" | sed -n 's/.*Function count: //p'; }
same_counts() { counts "$1" > one && counts "$2" > other && cmp -s one other && grep -q Block one; }

if ! build program "$v" || ! build another "$v" -Ddecide=judge; then
	echo "the programs cannot be built"
	exit 1
fi

# ---- run ----
expect "run" 0 "program.profile: profiles of 1 image" "$COVBUF" run --profile ./program 5
check "what to do next" grep -q "covbuf profraw program.profile --profdata program.profdata" out
check "for its user alone" test "$(stat -c %a program.profile)" = 700
check "and so are the files" test "$(stat -c %a program.profile/* | sort -u)" = 600
expect "an old directory stays" 1 "there are files in it; give another name with -o, --append to add" "$COVBUF" run --profile ./program
"$COVBUF" run --profile -q --append ./program 5
"$COVBUF" profraw -q program.profile -o twice.profraw
check "--append adds" test "$(calls twice.profraw)" = 10
touch program.profile/mine
"$COVBUF" run --profile -q --force ./program 5
"$COVBUF" profraw -q program.profile -o once.profraw
check "--force begins anew" test "$(calls once.profraw)" = 5
check "and removes profiles alone" test -e program.profile/mine
expect "what is not ours is passed over" 0 "1 file was passed over: program.profile/mine: its name is not" "$COVBUF" profraw program.profile -o x.profraw
mkdir -m 777 others
expect "where others may write" 1 "others may write to it" "$COVBUF" run --profile -o others ./program
touch file
expect "a file in its place" 1 "it exists, and is no directory" "$COVBUF" run --profile -o file ./program
expect "no place" 1 "does not exist" "$COVBUF" run --profile -o no/dir ./program
expect "its exit status" 37 "1 process" "$COVBUF" run --profile --force ./program 37 exit
expect "no such program" 127 "there is no such program" "$COVBUF" run --profile -o n ./nope
check "and no directory" test ! -e n
expect "no image with the adapter" 0 "no image of it has a profile: none is built with" "$COVBUF" run --profile -o t true
check "and no directory" test ! -e t
"$COVBUF" run --profile -q -o quiet.profile ./program > out 2>&1
check "--quiet says nothing" test ! -s out

# ---- what goes with it ----
for option in --trace --unique --cmp --stream --limit=1G --preload --no-follow; do
	expect "not with $option" 2 "${option%=*} is about a recording" "$COVBUF" run --profile "$option" ./program
done
expect "--append alone" 2 "goes with --profile" "$COVBUF" run --append ./program

# ---- killed, live, left behind ----
expect "killed" 137 "1 process" "$COVBUF" run --profile -o killed.profile ./program 6 kill
"$COVBUF" profraw -q killed.profile -o killed.profraw
check "and counted" test "$(calls killed.profraw)" = 6
"$COVBUF" run --profile -q -o live.profile ./program 7 sleep > asleep &
pid=$!
until grep -q asleep asleep; do sleep 0.02; done
"$COVBUF" profraw -q live.profile -o live.profraw
check "read while it runs" test "$(calls live.profraw)" = 7
expect "--list" 0 "program +1 +1 +0 +0 +clang $v" "$COVBUF" profraw --list live.profile
kill -TERM $pid
wait $pid
check "SIGTERM is passed on" test $? = 143
expect "--list afterwards" 0 "program +1 +0 +0 +0 +clang $v" "$COVBUF" profraw --list live.profile
if unshare -rpf true 2> unshared; then
	for i in 1 2 3 4 5 6; do
		COVBUF_PROFILE=spaces.profile unshare -rpf ./program 2 &
		spaces[i]=$!
	done
	wait "${spaces[@]}"
	check "six processes with one pid" test "$(find spaces.profile -name 'program.*.1.*.profraw' | wc -l)" = 6
	expect "--list, of six containers" 0 "program +6 +0 +0 +0 +clang $v" "$COVBUF" profraw --list spaces.profile
else
	echo "skipped containers: $(cat unshared)"
fi
"$COVBUF" run --profile -q -o orphan.profile ./program 4 sleep > asleep2 &
pid=$!
until grep -q asleep asleep2 2> /dev/null; do sleep 0.02; done
kill -9 $pid
wait $pid 2> /dev/null
"$COVBUF" profraw -q orphan.profile -o orphan.profraw
check "covbuf killed, the program alive" test "$(calls orphan.profraw)" = 4
kill "$(sed 's/.*\.//' <<< "$(basename orphan.profile/program.*.0.prof* | sed -E 's/\.[0-9]+\.prof(cnt|raw)$//')")"
"$COVBUF" run --profile -q -o left.profile ./program 3 leave
"$COVBUF" profraw -q left.profile -o left.profraw
check "what outlives the program is waited for" test "$(calls left.profraw)" = 4
check "or not, if so asked" timeout 120 "$COVBUF" run --profile -q --no-wait -o left2.profile ./program 3 stay
touch go
echo 'echo left; ./program' | "$COVBUF" run --profile -q -o pipe.profile sh > out
check "its input and output are its own" grep -q left out

# ---- sums ----
COVBUF_PROFILE=whole ./program 5
COVBUF_PROFILE=whole ./program 9
COVBUF_PROFILE=whole ./another 4
"$COVBUF" profraw -q whole -o sum.profraw
"llvm-profdata-$v" merge -o judge.profdata whole/*.profraw
"llvm-profdata-$v" merge -o ours.profdata sum.profraw
check "whole files: the same as llvm's merge" same_counts ours.profdata judge.profdata
"$COVBUF" profraw -q sum.profraw sum.profraw -o again.profraw
check "a sum is read again, once" cmp sum.profraw again.profraw
expect "but not among what is in it" 1 "counted again the next time" "$COVBUF" profraw whole -o whole/sum.profraw
"$COVBUF" run --profile -q -o forked.profile ./program 12 fork
for file in forked.profile/*.profcnt; do
	"$COVBUF" profraw -q "$file" forked.profile/*.template -o "single.${file##*/}.profraw"
done
"llvm-profdata-$v" merge -o judge.profdata single.*.profraw
"$COVBUF" profraw -q forked.profile --profdata ours.profdata
check "13 processes" test "$(find . -name "single.*.profraw" | wc -l)" = 13
check "counts: the same as llvm's merge of each" same_counts ours.profdata judge.profdata
"$COVBUF" run --profile -q -o many.profile ./program 60 fork
check "many files are made one" test "$(find many.profile -type f | wc -l)" = 2
"$COVBUF" profraw -q many.profile -o many.profraw
check "with all their counts" test "$(calls many.profraw)" = $((60 + 60 * 59 / 2))
"$COVBUF" run --profile -q --append -o many.profile ./program 60 fork
"$COVBUF" profraw -q many.profile -o many.profraw
check "also when it grows" test "$(calls many.profraw)" = $((2 * (60 + 60 * 59 / 2)))

# Counters stop at what LLVM takes for one.
template=(whole/program.*.template)
for i in 1 2; do
	cp "${template[0]}" "large$i.profraw"
	for k in 0 1 2 3; do
		printf '\377\377\377\377\377\377\377\000' |
			dd of=large$i.profraw bs=1 seek=$((4096 + 8 * k)) conv=notrunc status=none
	done
done
expect "counters that are too large" 0 "stop at 2\^56" "$COVBUF" profraw large1.profraw large2.profraw -o large.profraw
counts large.profraw > out
check "are what llvm believes" grep -q "Function count: 72057594037927936" out

# ---- llvm's tools ----
expect "--profdata" 0 "llvm-cov-$v report.* $dir/another -object $dir/program -instr-profile=next.profdata" \
	"$COVBUF" profraw whole --profdata next.profdata
sed -n 's/^  \(.*llvm-cov.* report\)/\1/p' out > next.sh
expect "and what it says to run next" 0 "counted.c.* [0-9.]+%" sh next.sh
check "nothing else is left" test -z "$(ls next.profdata.* 2> /dev/null)"
mkdir -p empty bin future
"$COVBUF_PROFILE_MAKER" make future made-up 1 0 1 64 8
LC_ALL=C sed -i 's/Clang 19\.1/Clang 97.1/' future/*
expect "without the tool" 1 "there is no llvm-profdata-97.*; install the package llvm-97" \
	"$COVBUF" profraw future --profdata x.profdata
check "and nothing is written" test ! -e x.profdata
printf '#!/bin/sh\necho "LLVM version 9.0.0"\n' > bin/llvm-profdata
cp bin/llvm-profdata "bin/llvm-profdata-$v"
chmod +x bin/*
printf '#!/bin/sh\n[ "$2" = --version ] && echo "LLVM version %s.0" && exit\necho "error: no such thing"; exit 3\n' "$v" > "empty/llvm-profdata-$v"
chmod +x "empty/llvm-profdata-$v"
expect "a tool that fails" 1 "cannot read the profile, or not write it" env PATH="$dir/empty:$PATH" "$COVBUF" profraw whole --profdata x.profdata
check "its message is shown" grep -q "  error: no such thing" out
check "and nothing is written" test ! -e x.profdata
expect "a tool of another version is not taken" 0 "llvm-cov" env PATH="$dir/bin:$PATH" "$COVBUF" profraw whole --profdata x.profdata

for version in "${versions[@]:1}"; do
	build "by$version" "$version" || { not_ok "a program of clang $version"; continue; }
	rm -rf mixed
	cp -r whole mixed
	COVBUF_PROFILE=mixed "./by$version" 8
	expect "clang $v and $version in one file" 1 "different compilers.*--image" "$COVBUF" profraw mixed -o x.profraw
	check "which has which" grep -q "/by$version: clang $version " out
	expect "clang $version by itself" 0 "llvm-cov-$version" "$COVBUF" profraw --image "by$version" mixed --profdata "by$version.profdata"
	check "has its counts" test "$(counts "by$version.profdata" "$version" | grep -A 3 "decide:" | sed -n 's/.*Function count: //p')" = 8
	expect "a file for each" 0 "4 profiles of 3 images" "$COVBUF" profraw mixed -o "each$version/"
	check "is read" test "$(counts "each$version"/by*.profraw "$version" | grep -c decide)" = 1
done
case " ${versions[*]} " in
*" 19 22 "*)
	runtime=19 build wrong 22
	COVBUF_PROFILE=wrong.profile ./wrong
	expect "the adapter of another clang" 1 "objects are of clang 22, and the adapter in it of clang 19" \
		"$COVBUF" profraw wrong.profile -o x.profraw
	;;
esac
build program "$v" -O2
expect "rebuilt since" 0 "it has been rebuilt since" "$COVBUF" profraw whole -o x.profraw
rm program
expect "not there any more" 0 "program: it is not there, and llvm-cov needs it" "$COVBUF" profraw --image program whole --profdata x.profdata
rm whole/*.template
for file in whole/*.profraw; do mv "$file" "$dir/"; done
expect "nothing there" 1 "there is no profile in it" "$COVBUF" profraw whole -o x.profraw
rm forked.profile/*.template
rm -f y.profraw
expect "without a template" 1 "its counts \(13 files\) cannot be read without its template" "$COVBUF" profraw forked.profile -o y.profraw
check "nothing is written" test ! -e y.profraw
done_testing
