#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: modules that are counted, by one line in their Kbuild; the same logic as a program.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
kernel=$1 out=$2 here=$COVBUF_VM/profile adapter=$top/adapters/kmod
mkdir "$out/image"
# shellcheck source=../with_command.sh
. "$COVBUF_VM/with_command.sh"
with_command "$kernel" "$out" "$out/image"
need clang-19 llvm-profdata-19 llvm-cov-19 ld.lld-19
build() { # OUT SOURCE [MAKE-ARGUMENT...]
	local to=$1 from=$2
	shift 2
	"$COVBUF_VM/build-module.sh" "$kernel" "$from" "$out/$to" COVBUF="$adapter" COVBUF_CLANG=clang-19 "$@"
}

# As its users have it: the kernel's compiler is gcc.
KBUILD_EXTRA_SYMBOLS='' build module "$here/module"
[ -z "$(nm -u "$out/module/prof.ko" | grep -w '__llvm_profile[a-z_]*\|covbuf[a-z_]*' || :)" ] ||
	die "prof.ko wants symbols: $(nm -u "$out/module/prof.ko")"
left_out=$(find "$out/module/tree" -name left_out.o)
! readelf -SW "$left_out" | grep -q __llvm_prf || die "an object that is left out is counted"

# With hooks too, and without atomic updates, from where all of it is installed; by the other linker on one kernel.
"$adapter/install.sh" --destdir "$out/installed"
linker=()
[ "$kernel" != 6.12 ] || linker=(LD=ld.lld-19)
adapter=$out/installed/usr/lib/covbuf build both "$here/both" COVBUF_PROFILE_UPDATE=plain "${linker[@]}"

# Only to be built: without coverage, by a clang that is named as the compiler; with what is refused.
if [ "$kernel" = 6.1 ]; then
	KBUILD_EXTRA_SYMBOLS='' build without "$here/module" COVBUF_PROFILE_BUILD=n
	! readelf -SW "$out/without/prof.ko" | grep -q __llvm_prf || die "built without coverage, it is counted"
	KBUILD_EXTRA_SYMBOLS='' CC=clang-19 build clang "$here/module"
	readelf -SW "$out/clang/prof.ko" | grep -q __llvm_prf_bits || die "by CC=clang-19 it is not counted"
	refused() { # TEXT MAKE-ARGUMENT...
		local text=$1
		shift
		! KBUILD_EXTRA_SYMBOLS='' build refused "$here/module" "$@" > "$out/refused.log" 2>&1 || die "$* is not refused"
		grep -qF -- "$text" "$out/refused/build.log" || die "$* is refused without '$text'; see $out/refused/build.log"
	}
	refused 'COVBUF_PROFILE_UPDATE is atomic or plain, not "some"' COVBUF_PROFILE_UPDATE=some
	refused 'there is no clang-77' COVBUF_CLANG=clang-77
fi

# One that says it is of another version: the number behind the magic of what covbuf.ko looks for.
cp "$out"/{module,both}/*.ko "$out/image"
at=$(grep -abo covbprfm "$out/module/prof_one.ko" | cut -d: -f1)
cp "$out/module/prof_one.ko" "$out/image/prof_other.ko"
printf '\2' | dd of="$out/image/prof_other.ko" bs=1 seek=$((at + 8)) conv=notrunc status=none

format=$(clang-19 -print-resource-dir)/include/profile/InstrProfData.inc
"$GUEST_CC" -std=gnu11 -O2 -Wall -Wextra -Werror -static -I"$top" -DCOVB_RAW_INC="\"$format\"" -o "$out/image/peek" "$here/peek.c"

# The logic as a program, by the clang that built a module of it: what it counts under compiler-rt.
program() { # MODULE CLANG PROGRAM
	local logic
	logic=$(dirname "$(find "$out/$1/tree" -name left_out.o)")
	"$2" -O2 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc -I"$logic" -o "$out/$3" \
		"$here/program.c" "$logic/logic.c" "$logic/more.c"
	LLVM_PROFILE_FILE=$out/$3.profraw "$out/$3"
}
program module clang-19 program

# By a newer clang too.
if [ "$kernel" = 6.12 ] && command -v clang-22 llvm-profdata-22 llvm-cov-22 > "$out/newer.log"; then
	KBUILD_EXTRA_SYMBOLS='' build newer "$here/module" COVBUF_CLANG=clang-22
	mkdir "$out/image/newer"
	cp "$out/newer/prof.ko" "$out/image/newer"
	program newer clang-22 program-newer
fi
