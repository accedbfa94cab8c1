# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of the runtime share: a directory of their own, a version of clang, and what the files say. The
# environment names what was built (COVBUF_BUILD, COVBUF_SOURCE) and the clangs (COVBUF_CLANGS: "19=/usr/bin/clang-19 ...").
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset COVBUF_PROFILE COVBUF_PROFILE_FORM LLVM_PROFILE_FILE
failed=0

skip() {
	echo "skipped: $*"
	exit 77
}

use_clang() { # MAJOR: sets what builds and reads
	local one
	clang=
	for one in $COVBUF_CLANGS; do
		[ "${one%%=*}" != "$1" ] || clang=${one#*=}
	done
	[ -n "$clang" ] || skip "there is no clang $1"
	profdata=$(command -v "llvm-profdata-$1" || echo "/usr/lib/llvm-$1/bin/llvm-profdata")
	cov=$(command -v "llvm-cov-$1" || echo "/usr/lib/llvm-$1/bin/llvm-cov")
	[ -x "$profdata" ] || skip "llvm-$1 has no llvm-profdata here: apt install llvm-$1"
	runtime=-Wl,-T,$COVBUF_BUILD/adapters/llvmprof/$1/covbuf.lds
	flags=(-g -O1 -fprofile-instr-generate -fcoverage-mapping)
	[ "$1" -lt 18 ] || flags+=(-fcoverage-mcdc)
}

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1"
	failed=1
}

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name: $*"; fi
}

equal() { # NAME EXPECTED GOT
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: $3 instead of $2"; fi
}

# A program with the runtime in it. Without the flags at its link: for those clang wants compiler-rt's runtime.
build() { # NAME SOURCE [FLAGS...]
	local name=$1 source=$2
	shift 2
	if ! "$clang" "${flags[@]}" "$@" -Wno-unused-command-line-argument -c "$here/$source" -o "$name.o" ||
		! "$clang" "$name.o" -o "$name" "$runtime" "$@"; then
		not_ok "building $name"
	fi
}

# The files of all processes in profile/ as one profile per image: ID.all
join() {
	rm -f ./*.all
	python3 "$here/join.py" profile . || not_ok "the files in profile/ are not as format.h says"
}

# How often a function ran, in all processes; after join.
calls() { # FUNCTION
	"$profdata" merge -o merged ./*.all || return
	"$profdata" show --counts --all-functions merged | awk -v name="$1:" '$1 == name { found = 1 }
		found && /Function count/ { print $3; exit }'
}

files() { # SUFFIX [DIRECTORY]
	find "${2:-profile}" -name "[^.]*.$1" 2> /dev/null | wc -l
}

# Runs with a fresh profile directory.
run() { # COMMAND...
	rm -rf profile
	COVBUF_PROFILE=profile "$@" > out 2> err < /dev/null
}
