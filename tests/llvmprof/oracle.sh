#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# C++ in three images, linked with compiler-rt and with the adapter, by each linker: all that llvm-profdata and llvm-cov
# print is the same, for whole files and for counts. tests/real does it with real programs.
# Usage: oracle.sh VERSION-OF-LLVM
set -eu
set -o pipefail
version=$1
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }
fail() { echo "failed: $*"; exit 1; }
covbuf=$COVBUF_BUILD/tools/covbuf
adapter=$COVBUF_BUILD/adapters/llvmprof/$version/covbuf.lds
for tool in "clang++-$version" "llvm-profdata-$version" "llvm-cov-$version"; do
	command -v "$tool" > /dev/null || skip "$tool is missing; scripts/install-deps.sh installs it"
done
runtime=$("clang-$version" --rtlib=compiler-rt -print-libgcc-file-name)
compgen -G "${runtime%/*}/libclang_rt.profile*.a" > /dev/null || skip "libclang-rt-$version-dev is missing"
for file in "$covbuf" "$adapter"; do
	[ -f "$file" ] || skip "there is no $file in this build"
done
unset LLVM_PROFILE_FILE COVBUF_PROFILE COVBUF_PROFILE_FORM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

compile() { "clang++-$version" -O1 -fPIC -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc "$@"; }
for part in PROGRAM LIBRARY PLUGIN; do
	compile -D$part -c "$here/oracle.cpp" -o $part.o
done
link() { # FOLDER FLAG...
	local folder=$1
	shift
	mkdir "$folder"
	compile -shared LIBRARY.o -o "$folder/library.so" "$@"
	compile -shared PLUGIN.o -o "$folder/plugin.so" "$@"
	compile PROGRAM.o "$folder/library.so" -o "$folder/program" -Wl,-rpath,"$PWD/$folder" -ldl "$@"
}
views() { # PREFIX FOLDER RAW...
	local prefix=$1 folder=$2
	shift 2
	"llvm-profdata-$version" merge "$@" -o "$prefix.profdata"
	"llvm-profdata-$version" merge --text "$@" -o "$prefix.text"
	"llvm-cov-$version" show --show-branches=count --show-mcdc "$folder/program" -object "$folder/library.so" \
		-object "$folder/plugin.so" -instr-profile="$prefix.profdata" > "$prefix.show" 2> "$prefix.said"
}
same() { # PREFIX PREFIX WHAT
	local view
	for view in text show said; do
		cmp "$1.$view" "$2.$view" || fail "$3: $view is not what it is with compiler-rt"
	done
}

linkers=(bfd)
if command -v "ld.lld-$version" > /dev/null; then
	linkers+=(lld)
fi
for linker in "${linkers[@]}"; do
	link "ref-$linker" -fuse-ld="$linker"
	link "own-$linker" -fuse-ld="$linker" -Wl,-T,"$adapter"
	expected=$(LLVM_PROFILE_FILE=ref-$linker/%m.profraw "ref-$linker/program" "./ref-$linker/plugin.so") || fail "$linker: the program, with compiler-rt"
	got=$(COVBUF_PROFILE=whole-$linker "own-$linker/program" "./own-$linker/plugin.so" 2>&1) || fail "$linker: $got"
	[ "$expected" = "$got" ] || fail "$linker: $got instead of $expected"
	"$covbuf" run -q --profile -o "counts-$linker" "own-$linker/program" "./own-$linker/plugin.so" > /dev/null
	"$covbuf" profraw -q "counts-$linker" -o "counts-$linker.profraw"

	views "ref-$linker" "ref-$linker" "ref-$linker"/*.profraw
	views "whole-$linker" "own-$linker" "whole-$linker"/*.profraw
	views "counts-$linker" "own-$linker" "counts-$linker.profraw"
	grep -q 'Pair: covered' "ref-$linker.show" || fail "$linker: no MC/DC with compiler-rt"
	same "ref-$linker" "whole-$linker" "$linker, whole files"
	same "ref-$linker" "counts-$linker" "$linker, counts"
	echo "$linker: $(wc -l < "ref-$linker.text") lines of counts, $(wc -l < "ref-$linker.show") of source: the same"
done
