#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh OUT MACHINE COMPILER FORM [FLAG...]
#
# Compiles what is to be looked at for MACHINE (x86-64, ppc64le) with COMPILER (gcc, clang) and puts it together
# into the relocatable object OUT. Of what the project's own builds give, only what makes code is given; each
# FLAG comes after it. FORM is
#   engine    the engine, userspace's half of it, the callbacks of a program, and consumer.c
#   image     the callbacks of any other image
#   trace     the callbacks that record every time
#   preload   the callbacks for all images of a process
#   shm       what makes, reads and collects segments
#   FILE      that one source
# COVBUF_OBJECT_TOP names another tree than this one, COVBUF_PPC_SYSROOT a folder with the headers of ppc64el
# (scripts/ppc-sysroot.sh makes one).
set -eu
me=${0##*/}
[ $# -ge 4 ] || { sed -n '3,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1 machine=$2 compiler=$3 form=$4
shift 4
top=${COVBUF_OBJECT_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
out=$(realpath -m "$out")
[ ! -f "$form" ] || form=$(realpath "$form")

case $machine-$compiler in
x86-64-gcc) cc=(gcc) ld=ld ;;
x86-64-clang) cc=(clang-19) ld=ld ;;
ppc64le-gcc) cc=(powerpc64le-linux-gnu-gcc --sysroot="$COVBUF_PPC_SYSROOT") ld=powerpc64le-linux-gnu-ld ;;
ppc64le-clang)
	cc=(clang-19 --target=powerpc64le-linux-gnu --sysroot="$COVBUF_PPC_SYSROOT")
	ld=powerpc64le-linux-gnu-ld
	;;
*) echo "$me: there is no machine $machine or compiler $compiler" >&2; exit 2 ;;
esac
for tool in "${cc[0]}" "$ld"; do
	command -v "$tool" > /dev/null ||
		{ echo "$me: $tool is missing; scripts/install-deps.sh installs it" >&2; exit 1; }
done
cc+=(-std=gnu11 -O2 -fPIC -fvisibility=hidden -w -D_GNU_SOURCE -DCOVBUF_VERSION_TEXT='"0"')
cc+=(-I"$top/include" -I"$top" -I"$top/libcovbuf")

cd "$top"
callbacks=(adapters/sancov/{cmp,counters,guard,trace_pc,unused}.c)
sources=("${callbacks[@]}")
case $form in
engine)
	sources+=(libcovbuf/core.c libcovbuf/platform/user/*.c adapters/sancov/{image,sync}.c tests/object/consumer.c)
	sources+=(libcovbuf/platform/user/*.S)
	;;
image) cc+=(-DCOVBUF_IMAGE) && sources+=(adapters/sancov/image.c) ;;
trace) cc+=(-DCOVBUF_SANCOV_TRACE_ONLY) && sources+=(adapters/sancov/image.c) ;;
preload) cc+=(-DCOVBUF_SANCOV_PRELOAD) && sources+=(adapters/sancov/images_preload.c) ;;
shm) sources=(shm/*.c) ;;
*) sources=("$form") ;;
esac

work=$out.parts
rm -rf "$work" "$out"
mkdir -p "$work"
objects=()
for source in "${sources[@]}"; do
	case $source in
	*/interpose.c | */arena*.c) continue ;; # the shared library's, and of nothing that is looked at here
	esac
	object=$work/${source//\//_}.o
	if ! "${cc[@]}" "$@" -c "$source" -o "$object" 2> "$work/log"; then
		echo "$me: $source: ${cc[*]} $*" >&2
		head -20 "$work/log" >&2
		exit 1
	fi
	objects+=("$object")
done
"$ld" -r -o "$out" "${objects[@]}"
rm -rf "$work"
