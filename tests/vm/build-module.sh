#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build-module.sh KERNEL SOURCE OUT [MAKE-ARGUMENT...]
#
# Builds the modules of the Kbuild folder SOURCE for KERNEL (6.12-rt), in a copy: the .ko files and
# Module.symvers are put into OUT, beside them the copy (tree/) and the log (build.log). Where SOURCE is
# in this project, its headers and sources are in the copy too, at the same places. Every warning is an
# error: the compiler's, objtool's, modpost's. Modules that depend on others find these by
# KBUILD_EXTRA_SYMBOLS, in the environment. CC=clang-19 in there builds with clang; gcc-12 is the default,
# for POWER the one that crosses.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -ge 3 ] || usage 2 >&2
kernel=$1 out=$3
dir=$(kernel_dir "$1")
source=$(cd "$2" 2> /dev/null && pwd) || die "there is no folder $2"
shift 3
tools=$(tools_of "$kernel")
: "${CC:=gcc-12}"
case $CC in
gcc*) CC=$tools$CC ;;
esac
need make "$CC" "${tools}ld"

rm -rf "$out"
mkdir -p "$out/tree"
out=$(cd "$out" && pwd)
case $source in
"$top"/*)
	for part in include libcovbuf adapters tests examples; do
		cp -R "$top/$part" "$out/tree/"
	done
	build=$out/tree/${source#"$top/"}
	;;
*)
	cp -R "$source/." "$out/tree/"
	build=$out/tree
	;;
esac
[ -e "$build/Kbuild" ] || [ -e "$build/Makefile" ] || die "there is neither Kbuild nor Makefile in $source"

# Headers of 6.12 come with a vmlinux of type information only, from which modules would be given theirs
# by pahole.
set -- CONFIG_DEBUG_INFO_BTF_MODULES= CROSS_COMPILE="$tools" "$@"
flags=-Werror
case $CC in
*gcc*) set -- CC="$CC" "$@" ;;
clang-19)
	# The thunks are asked for in clang's words.
	set -- CC="$vm/clang.sh" \
		RETPOLINE_CFLAGS="-mretpoline-external-thunk -mindirect-branch-cs-prefix -mfunction-return=thunk-extern" "$@"
	flags="$flags -Wno-unknown-warning-option -Wno-address-of-packed-member -Wno-gnu-variable-sized-type-not-at-end -include $vm/clang.h"
	;;
*) die "the compiler is gcc-12 or clang-19, not '$CC'" ;;
esac

status=0
make -j2 -C "$dir/build" M="$build" KCFLAGS="$flags" "$@" modules > "$out/build.log" 2>&1 || status=$?
# That clang is not the kernel's gcc is known.
warnings=$(grep -iE 'warning:' "$out/build.log" | grep -v 'warning: the compiler differs') || true
if [ $status -ne 0 ] || [ -n "$warnings" ]; then
	{ grep -E -A 4 'error:|ERROR:|\*\*\*|No such file|[Ww]arning:|WARNING:' "$out/build.log" ||
		tail -15 "$out/build.log"; } | grep -v 'the compiler differs' | head -40 >&2
	die "the modules of $source cannot be built for $kernel with $CC without a complaint; all of it: $out/build.log"
fi
find "$build" -name '*.ko' -exec cp {} "$out" \;
cp "$build/Module.symvers" "$out"
